import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, json, sse, sseHead } from '../../testkit/dialects.ts'
import { eventually } from '../../testkit/eventually.ts'
import type { Field } from '../../testkit/http-reader.ts'
import { freePort } from '../../testkit/ports.ts'
import { exchange, RawClient } from '../../testkit/raw-client.ts'
import { afterBody, chunk, delay, hang, lastChunk } from '../../testkit/scripted-vendor.ts'
import { relayEnv, type Service, startRelay, VENDORS, type Vendor } from '../../testkit/services.ts'
import { expectRefusal, relayRig } from '../rig.ts'

const TIMED_OUT = { status: 504, code: 'upstream_timeout', reached: 'unknown' } as const

describe('the wait for a head', () => {
  const rig = relayRig({ REQUEST_TIMEOUT_MS: '700', MAX_REQUEST_TIMEOUT_MS: '2500' })
  /** Waits in ms: at least, and well below; the callers run at once, because each only waits. */
  const WAITS: Readonly<Record<string, { headers: readonly Field[]; from: number; to: number }>> = {
    'REQUEST_TIMEOUT_MS when the caller says nothing': { headers: [], from: 700, to: 1400 },
    'what x-ferry-timeout-ms says, shorter': { headers: [['x-ferry-timeout-ms', '200']], from: 200, to: 650 },
    'what x-ferry-timeout-ms says, longer': { headers: [['x-ferry-timeout-ms', '1500']], from: 1500, to: 2300 },
    'what x-stainless-timeout says in seconds': { headers: [['x-stainless-timeout', '1']], from: 1000, to: 1900 },
    'what x-stainless-timeout says in ms, above 3600': {
      headers: [['X-Stainless-Timeout', '3700']],
      from: 2500,
      to: 3300,
    },
    'what x-server-timeout says in seconds': { headers: [['X-Server-Timeout', '1']], from: 1000, to: 1900 },
    'at most MAX_REQUEST_TIMEOUT_MS': { headers: [['x-ferry-timeout-ms', '99999999']], from: 2500, to: 3300 },
  }
  it('is told by the caller, within limits', async () => {
    rig.vendor.script = () => [hang()]
    const waits = await Promise.all(
      Object.entries(WAITS).map(async ([story, { headers, from, to }]) => {
        const started = performance.now()
        const answer = await exchange(rig.relay.port, chatBytes(DIALECTS.openai, { headers }))
        expectRefusal(answer, DIALECTS.openai, TIMED_OUT)
        return { story, waited: performance.now() - started, from, to }
      }),
    )
    // Timers may fire some ms early against the other process's clock.
    expect(waits.filter(({ waited, from, to }) => waited < from - 50 || waited > to)).toEqual([])
  })

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

  it('breaks the answer, and the call at the vendor', async () => {
    rig.vendor.script = afterBody(() => [sseHead(), chunk('data: {}\n\n'), hang()])
    await Promise.all(VENDORS.map(breaksFor))
    await eventually('the calls end', () => rig.vendor.requests.every(({ closing }) => closing), 1000)
  })

  const breaksFor = async (vendor: Vendor): Promise<void> => {
    const dialect = DIALECTS[vendor]
    const client = await RawClient.connect(rig.relay.port)
    const started = performance.now()
    await client.send(chatBytes(dialect, { streamed: true, version: 'HTTP/1.0' }))
    expect(await client.ended()).toBe('reset')
    expect(performance.now() - started).toBeGreaterThan(550)
  }

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
