import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, json, sse, sseHead } from '../../testkit/dialects.ts'
import type { Field } from '../../testkit/http-reader.ts'
import { freePort } from '../../testkit/ports.ts'
import { exchange, RawClient } from '../../testkit/raw-client.ts'
import { afterBody, chunk, delay, hang, lastChunk } from '../../testkit/scripted-vendor.ts'
import { relayEnv, type Service, startRelay, VENDORS } from '../../testkit/services.ts'
import { expectRefusal, relayRig } from '../rig.ts'

const TIMED_OUT = { status: 504, code: 'upstream_timeout', reached: 'unknown' } as const

describe('the wait for a head', () => {
  const rig = relayRig({ REQUEST_TIMEOUT_MS: '700', MAX_REQUEST_TIMEOUT_MS: '2500' })
  const waited = async (...headers: readonly Field[]): Promise<number> => {
    rig.vendor.script = () => [hang()]
    const started = performance.now()
    const answer = await exchange(rig.relay.port, chatBytes(DIALECTS.openai, { headers }))
    expectRefusal(answer, DIALECTS.openai, TIMED_OUT)
    return performance.now() - started
  }
  const between = (from: number, to: number) => (ms: number) => {
    expect(ms).toBeGreaterThan(from - 50)
    expect(ms).toBeLessThan(to)
  }

  it('is REQUEST_TIMEOUT_MS when the caller says nothing', async () => between(700, 1400)(await waited()))
  it('is what x-ferry-timeout-ms says, shorter', async () =>
    between(200, 600)(await waited(['x-ferry-timeout-ms', '200'])))
  it('is what x-ferry-timeout-ms says, longer', async () =>
    between(1500, 2300)(await waited(['x-ferry-timeout-ms', '1500'])))
  it('is what x-stainless-timeout says in seconds', async () =>
    between(1000, 1700)(await waited(['x-stainless-timeout', '1'])))
  it('is what x-stainless-timeout says in ms above 3600', async () =>
    between(2500, 3300)(await waited(['X-Stainless-Timeout', '3700'])))
  it('is what x-server-timeout says in seconds', async () =>
    between(1000, 1700)(await waited(['X-Server-Timeout', '1'])))
  it('is at most MAX_REQUEST_TIMEOUT_MS', async () =>
    between(2500, 3300)(await waited(['x-ferry-timeout-ms', '99999999'])))
  it.each(['', '-1', '0', 'abc', '1e99', 'NaN', '99999999999999999999'])(
    'survives x-stainless-timeout "%s"',
    async (value) => {
      rig.vendor.script = afterBody(() => json('{}'))
      const answer = await exchange(
        rig.relay.port,
        chatBytes(DIALECTS.openai, { headers: [['x-stainless-timeout', value]] }),
      )
      expect([200, 400]).toContain(answer.status)
    },
  )

  it('does not end a stream that runs longer', async () => {
    const { stream } = DIALECTS.openai
    rig.vendor.script = afterBody(() => [
      sseHead(),
      ...stream.flatMap((event) => [chunk(event), delay(200)]),
      lastChunk(),
    ])
    const answer = await exchange(rig.relay.port, chatBytes(DIALECTS.openai, { streamed: true }))
    expect(answer.complete).toBe(true)
    expect(answer.body.equals(Buffer.concat(stream))).toBe(true)
  })
})

describe('silence within an answer', () => {
  const rig = relayRig({ STREAM_IDLE_TIMEOUT_MS: '600' })

  it.each(VENDORS)('%s: breaks the answer, and the call at the vendor', async (vendor) => {
    const dialect = DIALECTS[vendor]
    rig.vendor.script = afterBody(() => [sseHead(), chunk(dialect.stream[0] ?? ''), hang()])
    const client = await RawClient.connect(rig.relay.port)
    const started = performance.now()
    await client.send(chatBytes(dialect, { streamed: true, version: 'HTTP/1.0' }))
    expect(await client.ended()).toBe('reset')
    expect(performance.now() - started).toBeGreaterThan(550)
    await Promise.race([rig.vendor.only.closed, sleep(1000)])
    expect(rig.vendor.only.closing).toBeDefined()
  })

  it('is counted between chunks, not over the answer', async () => {
    const { stream } = DIALECTS.openai
    rig.vendor.script = afterBody(() => [
      sseHead(),
      ...stream.flatMap((event) => [delay(300), chunk(event)]),
      lastChunk(),
    ])
    expect((await exchange(rig.relay.port, chatBytes(DIALECTS.openai, { streamed: true }))).complete).toBe(true)
  })
})

describe('a vendor that cannot be reached', () => {
  let refusing: Service
  let unknown: Service
  beforeAll(async () => {
    refusing = await startRelay(relayEnv(`http://127.0.0.1:${await freePort()}`))
    unknown = await startRelay(relayEnv('http://no-such-host.invalid', { CONNECT_TIMEOUT_MS: '2000' }))
  })
  afterAll(async () => {
    await refusing.stop()
    await unknown.stop()
  })

  it.each(VENDORS)('%s: tells that it has seen nothing', async (vendor) => {
    const dialect = DIALECTS[vendor]
    for (const relay of [refusing, unknown]) {
      const answer = await exchange(relay.port, chatBytes(dialect), { timeoutMs: 8000 })
      expectRefusal(answer, dialect, { status: 502, code: 'upstream_unreachable', reached: 'no' })
    }
  })
})

describe('time to the first byte', () => {
  const rig = relayRig()
  it('passes every event on at once, and the head before the first', async () => {
    const { stream } = DIALECTS.openai
    rig.vendor.script = afterBody(() => [
      sseHead(),
      delay(150),
      ...sse(stream)
        .slice(1, -1)
        .flatMap((step) => [step, delay(60)]),
      lastChunk(),
    ])
    const client = await RawClient.connect(rig.relay.port)
    const arrivals: number[] = []
    client.socket.on('data', () => arrivals.push(performance.now()))
    await client.send(chatBytes(DIALECTS.openai, { streamed: true }))
    await client.answered()
    client.destroy()
    // The head, then each event by itself.
    expect(arrivals.length).toBeGreaterThanOrEqual(stream.length + 1)
    expect((arrivals[1] ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThan(100)
  })
})
