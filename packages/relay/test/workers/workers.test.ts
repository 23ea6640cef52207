import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { freePair } from '../../../../test/testkit/ports.ts'
import { RawClient } from '../../../../test/testkit/raw-client.ts'
import { afterBody, chunk, head, lastChunk, ScriptedVendor } from '../../../../test/testkit/scripted-vendor.ts'
import {
  RELAY_ENTRY,
  RELAY_TOKEN,
  relayEnv,
  type Service,
  startFailing,
  startRelay,
} from '../../../../test/testkit/services.ts'

const AUTH = { authorization: `Bearer ${RELAY_TOKEN}` }

// Starting processes takes its time on a busy machine.
describe('RELAY_WORKERS', { timeout: 30_000 }, () => {
  let vendor: ScriptedVendor
  let relay: Service
  beforeAll(async () => {
    vendor = await ScriptedVendor.start()
  })
  afterAll(() => vendor.stop())
  beforeEach(async () => {
    relay = await startRelay(relayEnv(vendor.origin, { RELAY_WORKERS: '2', PORT: String(await freePair()) }))
    await eventually('all workers', () => events('relay_started').length === 1, 15_000)
  })
  afterEach(async () => {
    await relay.stop()
    for (const { pid } of workers()) await eventually(`the end of worker ${pid}`, () => !isAlive(pid))
  })

  const events = (name: string): Record<string, unknown>[] =>
    relay.lines
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event }) => event === name)
  const workers = (): { worker: number; pid: number; port: number }[] =>
    events('worker_started') as unknown as { worker: number; pid: number; port: number }[]
  const isAlive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  const call = (index: number): Promise<number> =>
    fetch(`http://127.0.0.1:${relay.port + index}/proxy/openai/v1/models`, { headers: AUTH }).then(
      async (answer) => {
        await answer.arrayBuffer()
        return answer.status
      },
      () => 0,
    )
  const metrics = (): Promise<string> =>
    fetch(`http://127.0.0.1:${relay.metricsPort}/metrics`).then((answer) => answer.text())
  const served = async (): Promise<number> => {
    const [, count] =
      /^http_requests_total\{vendor="openai",method="GET",status="200"\} (\d+)$/m.exec(await metrics()) ?? []
    return Number(count ?? 0)
  }

  it('each serve a port of their own, and their metrics are one page', async () => {
    for (let i = 0; i < 8; i++) expect(await call(i % 2)).toBe(200)
    expect(
      workers()
        .map(({ port }) => port - relay.port)
        .sort(),
    ).toEqual([0, 1])
    expect(new Set(workers().map(({ pid }) => pid)).size).toBe(2)
    await eventually('their access lines', () => events('request').length === 8, 10_000)
    await eventually('8 requests counted', async () => (await served()) === 8, 10_000)
    const page = await metrics()
    expect(page).toContain('relay_workers_running 2')
    expect(page).toContain('relay_worker_restarts_total 0')
    expect(page).toMatch(/^process_resident_memory_bytes \d/m)
  })

  it('are started again when one crashes, which is counted; its counts stay', async () => {
    for (let i = 0; i < 6; i++) await call(i % 2)
    await eventually('6 requests counted', async () => (await served()) === 6, 10_000)
    const victim = workers().find(({ worker }) => worker === 1)
    process.kill(victim?.pid ?? 0, 'SIGKILL')
    await eventually('the log', () => events('worker_ended').length === 1, 10_000)
    expect(events('worker_ended')[0]).toMatchObject({
      worker: 1,
      pid: victim?.pid,
      signal: 'SIGKILL',
      restartInMs: 500,
    })
    expect([await call(0), await call(0)]).toEqual([200, 200])
    await eventually('8 requests counted', async () => (await served()) === 8, 10_000)
    await eventually('the new worker', async () => (await call(1)) === 200, 10_000)
    await eventually('9 requests counted', async () => (await served()) === 9, 10_000)
    expect(await metrics()).toContain('relay_worker_restarts_total 1')
  })

  it('wait longer with each crash', async () => {
    for (const restartInMs of [500, 1000]) {
      const [{ length }, started] = [events('worker_ended'), workers().length]
      process.kill(workers().findLast(({ worker }) => worker === 1)?.pid ?? 0, 'SIGKILL')
      await eventually('the log', () => events('worker_ended').length > length, 10_000)
      expect(events('worker_ended').at(-1)).toMatchObject({ worker: 1, restartInMs })
      await eventually('the new worker', async () => (await call(1)) === 200, 10_000)
      await eventually('its word', () => workers().length > started)
    }
  })

  it.each([
    ['to the primary', (): void => relay.signal('SIGTERM')],
    [
      'to all of the group, as a terminal does',
      (): void => {
        for (const { pid } of workers()) process.kill(pid, 'SIGINT')
        relay.signal('SIGINT')
      },
    ],
  ])('drain when a signal comes %s', async (_, signal) => {
    let finish = (): void => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    vendor.script = afterBody(() => [
      head(200, [['transfer-encoding', 'chunked']]),
      chunk('a'),
      () => finished,
      chunk('z'),
      lastChunk(),
    ])
    const streams = await Promise.all([0, 1].map((index) => RawClient.connect(relay.port + index)))
    for (const stream of streams) {
      await stream.send(
        `GET /proxy/openai/v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${RELAY_TOKEN}\r\n\r\n`,
      )
      await stream.until(() => stream.text.includes('\r\na\r\n'))
    }
    signal()
    const ready = (): Promise<number> =>
      fetch(`${relay.origin}/ready`).then(
        ({ status }) => status,
        () => 0,
      )
    await eventually('the drain', async () => (await ready()) === 503)
    expect(await call(1)).toBe(503)
    finish()
    for (const stream of streams) expect((await stream.answered())[0]).toMatchObject({ complete: true })
    expect(await relay.exited).toEqual({ code: 0, signal: null })
    vendor.script = afterBody(() => [head(200, [['content-length', '0']])])
  })

  it('end with the primary, however that ends', async () => {
    const pids = workers().map(({ pid }) => pid)
    relay.signal('SIGKILL')
    await relay.exited
    await eventually('the end of all', () => !pids.some(isAlive))
  })

  it('read their files again on SIGHUP to the primary', async () => {
    relay.signal('SIGHUP')
    await eventually('both reload', () => events('configuration_reloaded').length === 2)
  })
})

describe('workers that cannot start', () => {
  it('do not start by half', async () => {
    const blocker = createServer()
    const port = (await freePair()) + 1
    await new Promise<void>((resolve) => blocker.listen(port, '127.0.0.1', resolve))
    const env = relayEnv('http://127.0.0.1:9', { RELAY_WORKERS: '2', PORT: String(port - 1) })
    const { code, log } = await startFailing(RELAY_ENTRY, env)
    blocker.close()
    expect(code).toBe(1)
    expect(log).toContain(`port ${port} is in use`)
    await sleep(50)
    await expect(fetch(`http://127.0.0.1:${port - 1}/ready`)).rejects.toThrow()
  })

  it('need ports that exist', async () => {
    const { log } = await startFailing(
      RELAY_ENTRY,
      relayEnv('http://127.0.0.1:9', { RELAY_WORKERS: '8', PORT: '65530' }),
    )
    expect(log).toContain('RELAY_WORKERS needs the ports 65530 to 65537')
  })
})

describe('one worker', () => {
  it('is one process', async () => {
    const relay = await startRelay(relayEnv('http://127.0.0.1:9'))
    await eventually('its word', () => relay.log().includes(`"pid":${relay.pid}`))
    expect(relay.log()).not.toContain('worker_started')
    await relay.stop()
  })
})
