import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, requestBytes, sseHead } from '../../testkit/dialects.ts'
import { eventually } from '../../testkit/eventually.ts'
import { exchange, headerOf, RawClient } from '../../testkit/raw-client.ts'
import { afterBody, chunk, delay, hang, lastChunk, ScriptedVendor } from '../../testkit/scripted-vendor.ts'
import { relayEnv, type Service, startRelay } from '../../testkit/services.ts'
import { answerRightly, expectRefusal } from '../rig.ts'

const openai = DIALECTS.openai
const probe = async (relay: Service, target: string): Promise<number> =>
  (await exchange(relay.port, requestBytes({ method: 'GET', target, headers: [['connection', 'close']] }))).status
const ready = (relay: Service): Promise<number> => probe(relay, '/ready')

// A deployment replaces relays while streams of minutes run through them. None of those may be cut, and no new one may
// be taken that would be.
describe('a relay that is told to stop', () => {
  let vendor: ScriptedVendor
  let relay: Service
  beforeEach(async () => {
    vendor = await ScriptedVendor.start()
    answerRightly(vendor)
    relay = await startRelay(relayEnv(vendor.origin, { DRAIN_TIMEOUT_MS: '3000' }))
  })
  afterEach(async () => {
    await relay.stop()
    await vendor.stop()
  })

  const slowStream = async (events = openai.stream, everyMs = 200): Promise<RawClient> => {
    vendor.script = afterBody(() => [
      sseHead(),
      ...events.flatMap((event) => [chunk(event), delay(everyMs)]),
      lastChunk(),
    ])
    const client = await RawClient.connect(relay.port)
    await client.send(chatBytes(openai, { streamed: true }))
    await client.until(() => client.bytes.includes('data:'))
    return client
  }

  it('lets streams finish, takes nothing new, then exits with 0', async () => {
    const idle = await RawClient.connect(relay.port)
    const client = await slowStream()
    relay.signal('SIGTERM')
    await eventually('/ready is 503', async () => (await ready(relay)) === 503, 1000)
    expect(await probe(relay, '/health'), 'alive all the same').toBe(200)
    expectRefusal(await exchange(relay.port, chatBytes(openai)), openai, { status: 503, code: 'draining' })
    const [answer] = await client.answered()
    expect(answer?.complete).toBe(true)
    expect(answer?.body.equals(Buffer.concat(openai.stream))).toBe(true)
    const started = performance.now()
    expect(await relay.exited).toEqual({ code: 0, signal: null })
    expect(performance.now() - started, 'an idle connection must not hold it').toBeLessThan(1500)
    expect(vendor.requests).toHaveLength(1)
    idle.destroy()
    client.destroy()
  })

  it('refuses new requests on connections that it has, and closes them', async () => {
    const client = await RawClient.connect(relay.port)
    await client.send(chatBytes(openai))
    await client.answered(1)
    const running = await slowStream()
    relay.signal('SIGTERM')
    await eventually('/ready is 503', async () => (await ready(relay)) === 503, 1000)
    await client.send(chatBytes(openai))
    const answers = await client.answered(2, 2000)
    // It may have closed the idle connection already, which is right too.
    const second = answers[1]
    if (second) {
      expectRefusal(second, openai, { status: 503, code: 'draining' })
      expect(headerOf(second, 'connection')).toBe('close')
    }
    await running.answered()
    running.destroy()
    client.destroy()
  })

  it('cuts what runs beyond DRAIN_TIMEOUT_MS, never cleanly, and exits with 0', async () => {
    vendor.script = afterBody(() => [sseHead(), chunk(openai.stream[0] ?? ''), hang()])
    const client = await RawClient.connect(relay.port)
    await client.send(chatBytes(openai, { streamed: true, version: 'HTTP/1.0' }))
    await client.until(() => client.bytes.includes('data:'))
    const started = performance.now()
    relay.signal('SIGTERM')
    const exit = await Promise.race([relay.exited, sleep(8000)])
    expect(exit).toEqual({ code: 0, signal: null })
    expect(performance.now() - started).toBeGreaterThan(2500)
    expect(performance.now() - started).toBeLessThan(6000)
    expect(await client.ended()).toBe('reset')
  })

  it('exits at once when nothing runs', async () => {
    await exchange(relay.port, chatBytes(openai))
    const started = performance.now()
    relay.signal('SIGTERM')
    expect(await relay.exited).toEqual({ code: 0, signal: null })
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it('exits with 1 at a second signal', async () => {
    vendor.script = () => [hang()]
    const client = await RawClient.connect(relay.port)
    await client.send(chatBytes(openai))
    await vendor.received()
    relay.signal('SIGTERM')
    await sleep(100)
    relay.signal('SIGTERM')
    expect((await relay.exited).code).toBe(1)
    client.destroy()
  })
})
