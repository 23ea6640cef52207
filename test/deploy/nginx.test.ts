import { randomBytes } from 'node:crypto'
import { connect } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { chatBytes, DIALECTS, json, requestBytes, sseHead } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import { acceptKey } from '../testkit/frames.ts'
import type { Field } from '../testkit/http-reader.ts'
import { headerOf, RawClient, type RawResponse } from '../testkit/raw-client.ts'
import {
  afterBody,
  chunk,
  delay,
  hang,
  head,
  lastChunk,
  raw,
  reset,
  ScriptedVendor,
} from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay } from '../testkit/services.ts'
import { type Front, overseasEnv, startFront } from './front.ts'

const { openai, gemini } = DIALECTS
const EVENTS = ['data: {"n":1}\n\n', 'data: {"n":2}\n\n', 'data: [DONE]\n\n']
const SECURITY: readonly Field[] = [
  ['strict-transport-security', 'max-age=31536000'],
  ['x-frame-options', 'SAMEORIGIN'],
  ['x-content-type-options', 'nosniff'],
]

describe('deploy/overseas/nginx.conf before two relays', () => {
  let certificates: Certificates
  let vendor: ScriptedVendor
  let relays: readonly [Service, Service]
  let front: Front
  const closing: RawClient[] = []

  beforeAll(async () => {
    certificates = createCertificates()
    vendor = await ScriptedVendor.start()
    const env = relayEnv(vendor.origin, { TRUSTED_PROXIES: '127.0.0.1/32' })
    relays = [await startRelay(env), await startRelay(env)]
    front = await startFront('overseas', overseasEnv(certificates, relays))
  })
  beforeEach(() => {
    vendor.clear()
    vendor.script = afterBody(() => json(openai.answer))
  })
  afterAll(async () => {
    for (const client of closing) client.destroy()
    await front?.stop()
    for (const relay of relays ?? []) await relay.stop()
    await vendor?.stop()
    certificates?.remove()
  })

  const caller = async (): Promise<RawClient> => {
    const client = await RawClient.connect(front.httpsPort, { ca: certificates.ca })
    closing.push(client)
    return client
  }
  const ask = async (bytes: Buffer): Promise<RawResponse> => {
    const client = await caller()
    await client.send(bytes)
    const [response] = await client.answered()
    client.destroy()
    if (!response) throw new Error(`no answer: ${client.text}`)
    return response
  }
  /** How many chat calls each relay has logged. */
  const served = (): readonly number[] =>
    relays.map(({ lines }) => lines.filter((line) => line.includes('/chat/completions')).length)

  it('is valid, without a warning', () => {
    expect(front.check.output).not.toMatch(/\[(warn|error|emerg)\]/)
    expect(front.check.status).toBe(0)
  })

  it('sends http to https', async () => {
    const answer = await fetch(`http://localhost:${front.httpPort}/ready?x=1`, { redirect: 'manual' })
    expect(answer.status).toBe(301)
    expect(answer.headers.get('location')).toBe('https://localhost/ready?x=1')
  })

  it('answers with the security headers, and keeps metrics and admin to itself', async () => {
    const health = await ask(requestBytes({ method: 'GET', target: '/health' }))
    expect(health.status).toBe(200)
    for (const [name, value] of SECURITY) expect(headerOf(health, name)).toBe(value)
    for (const target of ['/metrics', '/admin/x']) {
      expect((await ask(requestBytes({ method: 'GET', target }))).status).toBe(404)
    }
    expect(front.log('access')).not.toContain('/health')
  })

  it('lets a streamed answer pass event by event', async () => {
    const [first = '', second = '', done = ''] = EVENTS
    const steps = [sseHead(), chunk(first), delay(400), chunk(second), delay(400), chunk(done), lastChunk()]
    vendor.script = afterBody(() => steps)
    const client = await caller()
    await client.send(chatBytes(openai, { streamed: true }))
    const at: number[] = []
    for (const event of EVENTS) {
      expect(await client.until(() => client.text.includes(event.trim()))).toBe(true)
      at.push(performance.now())
    }
    const [one = 0, two = 0, three = 0] = at
    expect(two - one).toBeGreaterThan(200)
    expect(three - two).toBeGreaterThan(200)
    const [response] = await client.answered()
    expect(response?.complete).toBe(true)
  })

  it('never ends a broken stream cleanly, over HTTP/1.1', async () => {
    vendor.script = afterBody(() => [sseHead(), chunk(EVENTS[0] ?? ''), delay(100), reset()])
    const client = await caller()
    await client.send(chatBytes(openai, { streamed: true }))
    await client.ended()
    expect(client.text).toContain(EVENTS[0]?.trim())
    expect(client.text).not.toContain('[DONE]')
    expect(client.ending === 'open' || client.responses.some(({ complete }) => complete)).toBe(false)
  })

  it('never ends a broken stream cleanly, over HTTP/2', async () => {
    vendor.script = afterBody(() => [sseHead(), chunk(EVENTS[0] ?? ''), delay(100), reset()])
    const session = connect(`https://localhost:${front.httpsPort}`, { ca: certificates.ca })
    const [name, value] = openai.credential
    const path = `/proxy/openai${openai.streamPath}`
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      [name]: value,
      'content-type': 'application/json',
    })
    let text = ''
    const ended = new Promise<string>((resolve) => {
      stream.on('error', () => resolve('error'))
      stream.on('end', () => resolve('end'))
    })
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
    stream.end(openai.streamBody)
    const how = await ended
    session.destroy()
    expect(text).toContain(EVENTS[0])
    expect(text).not.toContain('[DONE]')
    expect(how).toBe('error')
  })

  it('takes an upload of 12 MB over HTTP/2', async () => {
    const session = connect(`https://localhost:${front.httpsPort}`, { ca: certificates.ca })
    const [name, value] = openai.credential
    const stream = session.request({
      ':method': 'POST',
      ':path': '/proxy/openai/v1/files',
      [name]: value,
      'content-type': 'multipart/form-data; boundary=x',
    })
    const status = new Promise<unknown>((resolve, reject) => {
      stream.on('response', (headers) => resolve(headers[':status']))
      stream.on('error', reject)
    })
    stream.end(Buffer.alloc(12_000_000, 'u'))
    expect(await status).toBe(200)
    session.destroy()
    expect(vendor.only.bodyBytes).toBe(12_000_000)
  })

  it('sends all exchanges of one affinity to one relay, cancels too', async () => {
    const exchange = (affinity: string): Field => [
      'x-ferry-exchange',
      `${affinity}.${randomBytes(16).toString('base64url')}`,
    ]
    for (const affinity of ['chat-a', 'chat-b', 'chat-c']) {
      const before = served()
      for (let i = 0; i < 8; i++) {
        const id = exchange(affinity)
        expect((await ask(chatBytes(openai, { headers: [id] }))).status).toBe(200)
        // The id is known only where the exchange lives.
        const cancel = { method: 'DELETE', target: `/exchanges/${id[1]}`, headers: [openai.credential] }
        expect((await ask(requestBytes(cancel))).status).toBe(204)
      }
      const grown = (): readonly number[] => served().map((count, index) => count - (before[index] ?? 0))
      await eventually('a relay logs all eight', () => Math.max(...grown()) >= 8)
      expect(Math.min(...grown())).toBe(0)
    }
  })

  it('lets a WebSocket pass', async () => {
    const key = randomBytes(16).toString('base64')
    const answer: readonly Field[] = [
      ['upgrade', 'websocket'],
      ['connection', 'Upgrade'],
      ['sec-websocket-accept', acceptKey(key)],
    ]
    vendor.script = () => [head(101, answer, 'Switching Protocols'), delay(100), raw('bytes-of-the-vendor'), hang()]
    const client = await caller()
    const headers: readonly Field[] = [
      openai.credential,
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', key],
    ]
    await client.send(requestBytes({ method: 'GET', target: '/proxy/openai/v1/realtime?model=gpt-realtime', headers }))
    expect(await client.until(() => client.text.includes('bytes-of-the-vendor'))).toBe(true)
    expect(client.text).toMatch(/^HTTP\/1\.1 101 /)
    client.destroy()
  })

  it('writes no query string and no credential into its logs', async () => {
    const target = `/proxy/gemini${gemini.path}?key=${RELAY_TOKEN}&alt=json`
    vendor.script = afterBody(() => json(gemini.answer))
    const headers: readonly Field[] = [['content-type', 'application/json']]
    expect((await ask(requestBytes({ target, headers, body: gemini.body }))).status).toBe(200)
    await eventually('the line', () => front.log('access').includes(gemini.path))
    for (const line of front.log('access').trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('status')
    for (const text of [front.log('access'), front.log('error')]) {
      expect(text).not.toContain('?')
      expect(text).not.toContain(RELAY_TOKEN)
    }
  })

  it('refuses a body that is declared too large itself', async () => {
    const headers: readonly Field[] = [openai.credential, ['content-length', '600000000']]
    const answer = await ask(requestBytes({ target: '/proxy/openai/v1/files', headers }))
    expect(answer.status).toBe(413)
    expect(headerOf(answer, 'x-ferry-error')).toBe('request_too_large')
    expect(headerOf(answer, 'x-ferry-reached')).toBe('no')
    expect(JSON.parse(answer.body.toString())).toMatchObject({ error: { code: 'request_too_large' } })
  })

  // From here on the relays end, one after the other.
  it('never sends a POST to the second relay after it was sent to the first', async () => {
    vendor.script = afterBody(() => [hang()])
    const client = await caller()
    await client.send(chatBytes(openai))
    const { port } = await relayThatCalls(relays, vendor)
    const busy = relays.find((relay) => relay.port === port)
    await busy?.stop()
    const [answer] = await client.answered()
    expect(answer?.status).toBe(502)
    expect(answer && headerOf(answer, 'x-ferry-error')).toBe('upstream_truncated')
    expect(answer && headerOf(answer, 'x-ferry-reached')).toBe('unknown')
    await sleep(300)
    expect(vendor.requests).toHaveLength(1)
    // What was not sent yet is served by the other one, exchanges of the dead one's affinities too.
    vendor.script = afterBody(() => json(openai.answer))
    for (const affinity of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      const id: Field = ['x-ferry-exchange', `${affinity}.${randomBytes(16).toString('base64url')}`]
      expect((await ask(chatBytes(openai))).status).toBe(200)
      expect((await ask(chatBytes(openai, { headers: [id] }))).status).toBe(200)
    }
  })

  it('says with both relays down that nothing was reached', async () => {
    for (const relay of relays) await relay.stop()
    const answer = await ask(chatBytes(openai))
    expect(answer.status).toBe(502)
    expect(headerOf(answer, 'content-type')).toBe('application/json')
    expect(headerOf(answer, 'x-ferry-error')).toBe('upstream_unreachable')
    expect(headerOf(answer, 'x-ferry-reached')).toBe('no')
    expect(JSON.parse(answer.body.toString())).toMatchObject({ error: { code: 'upstream_unreachable' } })
    for (const [name, value] of SECURITY) expect(headerOf(answer, name)).toBe(value)
    expect(front.log('error')).not.toContain('POST ')
  })
})

/** The relay that has the vendor's only call: the one whose metrics show an open exchange. */
async function relayThatCalls(relays: readonly Service[], vendor: ScriptedVendor): Promise<Service> {
  await vendor.received()
  for (const relay of relays) {
    const page = await (await fetch(`http://127.0.0.1:${relay.metricsPort}/metrics`)).text()
    if (/^relay_open_exchanges\S* [1-9]/m.test(page)) return relay
  }
  throw new Error('no relay has a call')
}
