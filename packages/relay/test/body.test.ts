import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { DIALECTS, json, requestBytes } from '../../../test/testkit/dialects.ts'
import { eventually } from '../../../test/testkit/eventually.ts'
import type { Field } from '../../../test/testkit/http-reader.ts'
import { exchange, headerOf, RawClient } from '../../../test/testkit/raw-client.ts'
import { rig } from './rig.ts'

const openai = DIALECTS.openai
const JSON_TYPE: Field = ['content-type', 'application/json']
const MULTIPART: Field = ['content-type', 'multipart/form-data; boundary=x']
const CHUNKED: Field = ['transfer-encoding', 'chunked']
const post = (headers: readonly Field[], body: string | Buffer = '', path = 'v1/chat/completions'): Buffer =>
  requestBytes({ target: `/proxy/openai/${path}`, headers: [openai.credential, ...headers], body })
const inChunks = (...pieces: (string | Buffer)[]): Buffer =>
  Buffer.concat([
    ...pieces.flatMap((piece) => [
      Buffer.from(`${Buffer.byteLength(piece).toString(16)}\r\n`),
      Buffer.from(piece),
      Buffer.from('\r\n'),
    ]),
    Buffer.from('0\r\n\r\n'),
  ])
const faultOf = (answer: { status: number; headers: readonly Field[] }): unknown => [
  answer.status,
  answer.headers.find(([name]) => name === 'x-ferry-error')?.[1],
  answer.headers.find(([name]) => name === 'x-ferry-reached')?.[1],
]

describe('bodies', () => {
  const test = rig()
  it.each([0, 1, 16_384, 16_385, 100_000, 3_000_000])('of %i bytes arrive as they were sent', async (size) => {
    const body = randomBytes(size)
    expect((await exchange(test.port, post([JSON_TYPE], body))).status).toBe(200)
    expect(test.vendor.only.body.equals(body)).toBe(true)
    expect(test.vendor.only.headerValues('content-length')).toEqual([String(size)])
    expect(await test.metrics()).toMatch(/relay_buffered_body_bytes 0\n/)
  })

  it('in chunks are read to their end', async () => {
    await exchange(test.port, post([JSON_TYPE, CHUNKED], inChunks('{"a"', ':1}')))
    expect([test.vendor.only.body.toString(), test.vendor.only.header('content-length')]).toEqual(['{"a":1}', '7'])
    test.vendor.clear()
    await exchange(test.port, post([MULTIPART, CHUNKED], inChunks('--x', 'y')))
    expect(test.vendor.only.body.toString()).toBe('--xy')
  })

  it('of files stream: the vendor sees the first byte before the last is sent', async () => {
    const client = await RawClient.connect(test.port)
    await client.send(post([MULTIPART, ['content-length', '10']], 'first', 'v1/files'))
    const request = await test.vendor.received()
    await eventually('five bytes', () => request.bodyBytes === 5)
    await client.send('-last')
    await client.answered()
    expect([request.body.toString(), request.header('content-length')]).toEqual(['first-last', '10'])
    client.destroy()
  })

  it("of Gemini's upload chunks stream although they call themselves JSON", async () => {
    const client = await RawClient.connect(test.port)
    const target = '/proxy/gemini/upload/v1beta/files?upload_id=1'
    const headers: Field[] = [DIALECTS.gemini.credential, JSON_TYPE, ['content-length', '10']]
    await client.send(requestBytes({ target, headers, body: 'first' }))
    const request = await test.vendor.received()
    await eventually('five bytes', () => request.bodyBytes === 5)
    client.destroy()
    await request.closed
    expect(request.isComplete).toBe(false)
  })
})

describe('limits', () => {
  const test = rig({ MAX_BODY_BYTES: '1000', MAX_BUFFERED_BYTES: '1500', MAX_UPLOAD_BYTES: '2000' })

  it.each([
    ['JSON', JSON_TYPE, 1001],
    ['multipart', MULTIPART, 2001],
  ] as const)('refuse a declared length before a byte is sent on: %s', async (_, type, size) => {
    const refused = await exchange(test.port, post([type], 'x'.repeat(size)))
    expect(faultOf(refused)).toEqual([413, 'request_too_large', 'no'])
    expect(test.vendor.requests).toEqual([])
  })

  it('refuse a length of any size while the caller still sends', async () => {
    const client = await RawClient.connect(test.port)
    await client.send(post([JSON_TYPE, ['content-length', '99999999999']], 'x'.repeat(100_000)))
    const [refused] = await client.answered()
    expect(refused?.status).toBe(413)
    expect(await client.ended(5000)).not.toBe('open')
  })

  it('end chunked bodies that grow past them', async () => {
    expect(faultOf(await exchange(test.port, post([JSON_TYPE, CHUNKED], inChunks('x'.repeat(1001)))))).toEqual([
      413,
      'request_too_large',
      'no',
    ])
    expect(test.vendor.requests).toEqual([])
    const client = await RawClient.connect(test.port)
    await client.send(post([MULTIPART, CHUNKED], inChunks('x'.repeat(1500)).subarray(0, -5)))
    const request = await test.vendor.received()
    await client.send(inChunks('y'.repeat(501)))
    const [refused] = await client.answered()
    expect(refused && faultOf(refused)).toEqual([413, 'request_too_large', 'unknown'])
    await request.closed
    expect(request.isComplete).toBe(false)
    client.destroy()
  })

  it('hold for all bodies together', async () => {
    const waiting = await RawClient.connect(test.port)
    await waiting.send(post([JSON_TYPE, ['content-length', '1000']], 'x'))
    await sleep(50)
    const refused = await exchange(test.port, post([JSON_TYPE], 'x'.repeat(600)))
    expect(faultOf(refused)).toEqual([503, 'overloaded', 'no'])
    expect(headerOf(refused, 'x-should-retry')).toBe('true')
    waiting.destroy()
    await eventually('room again', async () => /relay_buffered_body_bytes 0\n/.test(await test.metrics()))
    expect((await exchange(test.port, post([JSON_TYPE], 'x'.repeat(1000)))).status).toBe(200)
  })
})

describe('Expect: 100-continue', () => {
  const test = rig({ MAX_BODY_BYTES: '1000' })
  const EXPECT: Field = ['expect', '100-continue']

  it('is answered after everything else has been checked', async () => {
    const client = await RawClient.connect(test.port)
    await client.send(post([JSON_TYPE, EXPECT, ['content-length', '2']]))
    await client.until(() => client.responses.length === 1)
    expect(client.responses[0]?.status).toBe(100)
    expect(test.vendor.requests).toEqual([])
    await client.send('{}')
    await client.answered()
    expect(client.responses.map(({ status }) => status)).toEqual([100, 200])
    expect(test.vendor.only.header('expect')).toBeUndefined()
    client.destroy()
  })

  it('is refused without a 100 for a body too large and a wrong token', async () => {
    for (const [headers, status] of [
      [[openai.credential, EXPECT, ['content-length', '1001']], 413],
      [[['authorization', 'Bearer wrong'], EXPECT, ['content-length', '2']], 401],
    ] as const) {
      const client = await RawClient.connect(test.port)
      await client.send(requestBytes({ target: '/proxy/openai/v1/x', headers }))
      await client.answered()
      expect(client.responses.map((response) => response.status)).toEqual([status])
      client.destroy()
    }
  })
})

describe('slow senders', () => {
  const test = rig({ BODY_IDLE_TIMEOUT_MS: '200', BODY_TIMEOUT_MS: '600', HEADERS_TIMEOUT_MS: '300' })

  it.each([
    ['JSON', JSON_TYPE, 'no'],
    ['multipart', MULTIPART, 'unknown'],
  ] as const)('are cut when they fall silent: %s', async (_, type, reached) => {
    const client = await RawClient.connect(test.port)
    await client.send(post([type, ['content-length', '100']], 'x'))
    const [refused] = await client.answered(1, 2000)
    expect(refused && faultOf(refused)).toEqual([408, 'request_timeout', reached])
    expect(await client.ended(3000)).not.toBe('open')
  })

  it('are cut when they dribble', async () => {
    const client = await RawClient.connect(test.port)
    await client.send(post([JSON_TYPE, ['content-length', '1000']], 'x'))
    for (let i = 0; i < 20 && client.responses.length === 0; i++) {
      await sleep(100)
      await client.send('x')
    }
    expect(client.responses[0]?.status).toBe(408)
    expect(test.vendor.requests).toEqual([])
    client.destroy()
  })

  it('are cut within their head', async () => {
    const client = await RawClient.connect(test.port)
    await client.send('POST /proxy/openai/v1/x HTTP/1.1\r\nhost: x\r\nx-slow: ')
    expect(await client.ended(3000)).not.toBe('open')
    expect(client.text).toMatch(/^HTTP\/1\.1 408 /)
  })
})

it('an answer before the end of the body arrives whole, and ends the connection', async () => {
  const test = early
  test.vendor.script = () => json('{"error":{"message":"too early"}}', 422)
  const client = await RawClient.connect(test.port)
  await client.send(post([MULTIPART, ['content-length', '1000000']], 'x'.repeat(1000), 'v1/files'))
  const [answer] = await client.answered()
  expect([answer?.status, answer?.body.toString()]).toEqual([422, '{"error":{"message":"too early"}}'])
  await client.send('x'.repeat(200_000))
  expect(await client.ended(4000)).not.toBe('open')
})
const early = rig()
