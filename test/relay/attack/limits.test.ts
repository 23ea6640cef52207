import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, requestBytes } from '../../testkit/dialects.ts'
import { eventually } from '../../testkit/eventually.ts'
import type { Field } from '../../testkit/http-reader.ts'
import { exchange, headerOf, RawClient } from '../../testkit/raw-client.ts'
import { VENDORS, vitals } from '../../testkit/services.ts'
import { expectRefusal, relayRig } from '../rig.ts'

const openai = DIALECTS.openai
const JSON_TYPE: Field = ['content-type', 'application/json']
const MULTIPART: Field = ['content-type', 'multipart/form-data; boundary=b']
const CHUNKED: Field = ['transfer-encoding', 'chunked']
const KIB = 1024
const piece = (bytes: number): string => `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`

describe('bodies beyond the limits', () => {
  const rig = relayRig({
    MAX_BODY_BYTES: String(64 * KIB),
    MAX_BUFFERED_BYTES: String(128 * KIB),
    MAX_UPLOAD_BYTES: String(256 * KIB),
  })
  const TOO_LARGE = { status: 413, code: 'request_too_large' } as const

  it.each(VENDORS)('%s: a declared length over the limit is refused before a byte goes on', async (vendor) => {
    const dialect = DIALECTS[vendor]
    const headers: readonly Field[] = [dialect.credential, JSON_TYPE, ['content-length', String(64 * KIB + 1)]]
    const answer = await exchange(rig.relay.port, requestBytes({ target: `/proxy/${vendor}${dialect.path}`, headers }))
    expectRefusal(answer, dialect, TOO_LARGE)
    expect(rig.vendor.requests).toEqual([])
  })

  it('takes a body of exactly the limit', async () => {
    const body = 'x'.repeat(64 * KIB)
    const bytes = requestBytes({ target: '/proxy/openai/v1/embeddings', headers: [openai.credential, JSON_TYPE], body })
    expect((await exchange(rig.relay.port, bytes)).status).toBe(200)
    expect(rig.vendor.only.bodyBytes).toBe(64 * KIB)
  })

  // Who asks first with Expect must not be told to go on (RFC 9110 section 10.1.1).
  it('does not invite a body that is too large', async () => {
    const headers: readonly Field[] = [
      openai.credential,
      JSON_TYPE,
      ['expect', '100-continue'],
      ['content-length', '99999999'],
    ]
    const answer = await exchange(rig.relay.port, requestBytes({ target: '/proxy/openai/v1/embeddings', headers }))
    expect(answer.text).toMatch(/^HTTP\/1\.1 413/)
    expect(rig.vendor.requests).toEqual([])
  })

  it('invites one that is not', async () => {
    const client = await RawClient.connect(rig.relay.port)
    const headers: readonly Field[] = [
      openai.credential,
      JSON_TYPE,
      ['expect', '100-continue'],
      ['content-length', '2'],
    ]
    await client.send(requestBytes({ target: '/proxy/openai/v1/embeddings', headers }))
    await client.until(() => client.text.includes('100 Continue'), 2000)
    expect(client.text).toContain('100 Continue')
    await client.send('{}')
    const [answer] = await client.answered()
    client.destroy()
    expect(answer?.status).toBe(200)
    expect(rig.vendor.only.body.toString()).toBe('{}')
  })

  // No length is declared, so the limit can only be met on the way.
  it('refuses a chunked JSON body that grows past the limit', async () => {
    const client = await RawClient.connect(rig.relay.port)
    await client.send(
      requestBytes({ target: '/proxy/openai/v1/embeddings', headers: [openai.credential, JSON_TYPE, CHUNKED] }),
    )
    for (let sent = 0; sent < 80 && client.bytes.length === 0 && client.ending === 'open'; sent++)
      await client.send(piece(KIB))
    const [answer] = await client.answered()
    client.destroy()
    expect(answer && { status: answer.status, code: headerOf(answer, 'x-ferry-error') }).toEqual(TOO_LARGE)
    expect(rig.vendor.requests.filter(({ isComplete }) => isComplete)).toEqual([])
  })

  it('refuses an upload whose declared length is over the limit', async () => {
    const headers: readonly Field[] = [openai.credential, MULTIPART, ['content-length', String(256 * KIB + 1)]]
    const answer = await exchange(rig.relay.port, requestBytes({ target: '/proxy/openai/v1/files', headers }))
    expectRefusal(answer, openai, TOO_LARGE)
    expect(rig.vendor.requests).toEqual([])
  })

  // The vendor has seen part of it by then. A clean end would make it keep a cut file: the connection is destroyed.
  it('destroys the upload to the vendor that grows past the limit', async () => {
    const client = await RawClient.connect(rig.relay.port)
    await client.send(
      requestBytes({ target: '/proxy/openai/v1/files', headers: [openai.credential, MULTIPART, CHUNKED] }),
    )
    for (let sent = 0; sent < 300 && client.bytes.length === 0 && client.ending === 'open'; sent += 4)
      await client.send(piece(4 * KIB))
    const [answer] = await client.answered()
    const request = await rig.vendor.received()
    await Promise.race([request.closed, sleep(1000)])
    client.destroy()
    expect(answer && { status: answer.status, code: headerOf(answer, 'x-ferry-error') }).toEqual(TOO_LARGE)
    expect(request.isComplete).toBe(false)
    expect(request.closing).toBeDefined()
    expect(request.bodyBytes).toBeLessThanOrEqual(256 * KIB)
  })

  // Many bodies at once, each within its limit, fill the memory all the same.
  it('answers 503 when all bodies together are over the limit, and recovers', async () => {
    const half = async (): Promise<RawClient> => {
      const client = await RawClient.connect(rig.relay.port)
      const headers: readonly Field[] = [openai.credential, JSON_TYPE, ['content-length', String(60 * KIB)]]
      await client.send(requestBytes({ target: '/proxy/openai/v1/embeddings', headers, body: 'x'.repeat(50 * KIB) }))
      return client
    }
    const clients = await Promise.all([half(), half(), half(), half()])
    await eventually('a refusal', () => clients.some((client) => client.bytes.length > 0))
    const refused = clients.flatMap(({ responses }) => responses)
    for (const answer of refused) expectRefusal(answer, openai, { status: 503, code: 'overloaded' })
    for (const client of clients) client.destroy()
    await eventually('room again', async () => (await exchange(rig.relay.port, chatBytes(openai))).status === 200)
    expect(rig.vendor.requests.every(({ target }) => target === openai.path)).toBe(true)
  })
})

// Slow loris: hundreds of connections, each of which sends a byte now and then. They cost the attacker nothing and the
// server a connection each, for as long as it waits.
describe('slow senders', () => {
  const rig = relayRig({ HEADERS_TIMEOUT_MS: '600', BODY_IDLE_TIMEOUT_MS: '500', BODY_TIMEOUT_MS: '1500' })
  const drip = async (client: RawClient, letter: string, everyMs: number): Promise<number> => {
    const started = performance.now()
    while (client.ending === 'open' && client.responses.length === 0 && performance.now() - started < 8000) {
      await client.send(letter)
      await sleep(everyMs)
    }
    return performance.now() - started
  }

  it('cuts a head that drips', async () => {
    const client = await RawClient.connect(rig.relay.port)
    await client.send('GET /proxy/openai/v1/models HTTP/1.1\r\nX-A: ')
    expect(await drip(client, 'b', 50)).toBeLessThan(4000)
    expect(client.responses.map(({ status }) => status).filter((status) => status !== 408)).toEqual([])
    client.destroy()
  })

  it('cuts a connection that never says anything', async () => {
    const client = await RawClient.connect(rig.relay.port)
    expect(await client.ended(4000)).not.toBe('open')
  })

  it('cuts a body that drips past its time', async () => {
    const client = await RawClient.connect(rig.relay.port)
    const headers: readonly Field[] = [openai.credential, JSON_TYPE, ['content-length', '100000']]
    await client.send(requestBytes({ target: '/proxy/openai/v1/embeddings', headers }))
    expect(await drip(client, 'x', 50)).toBeLessThan(4000)
    const [answer] = client.responses
    if (answer) expectRefusal(answer, openai, { status: 408, code: 'request_timeout' })
    client.destroy()
    expect(rig.vendor.requests).toEqual([])
  })

  it('cuts a body that stops', async () => {
    const client = await RawClient.connect(rig.relay.port)
    const headers: readonly Field[] = [openai.credential, JSON_TYPE, ['content-length', '100000']]
    const started = performance.now()
    await client.send(requestBytes({ target: '/proxy/openai/v1/embeddings', headers, body: 'x' }))
    const [answer] = await client.answered(1, 4000)
    expect(performance.now() - started).toBeLessThan(3000)
    if (answer) expectRefusal(answer, openai, { status: 408, code: 'request_timeout' })
    client.destroy()
    expect(rig.vendor.requests).toEqual([])
  })

  it('cuts an upload that stops, and tells the vendor by closing', async () => {
    const client = await RawClient.connect(rig.relay.port)
    await client.send(
      requestBytes({ target: '/proxy/openai/v1/files', headers: [openai.credential, MULTIPART, CHUNKED] }),
    )
    await client.send(piece(KIB))
    const request = await rig.vendor.received()
    await Promise.race([request.closed, sleep(4000)])
    expect(request.closing).toBeDefined()
    expect(request.isComplete).toBe(false)
    client.destroy()
  })

  it('serves others meanwhile, and keeps nothing of 300 such connections', async () => {
    const before = vitals(rig.relay.pid).descriptors
    const clients = await Promise.all(Array.from({ length: 300 }, () => RawClient.connect(rig.relay.port)))
    for (const client of clients) await client.send('GET /proxy/openai/v1/models HTTP/1.1\r\nX-A: ')
    expect((await exchange(rig.relay.port, chatBytes(openai))).status).toBe(200)
    await eventually('all cut', () => vitals(rig.relay.pid).descriptors <= before + 10, 8000)
    for (const client of clients) client.destroy()
  })
})
