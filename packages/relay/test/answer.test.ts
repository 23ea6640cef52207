import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, json, requestBytes } from '../../../test/testkit/dialects.ts'
import type { Field } from '../../../test/testkit/http-reader.ts'
import { exchange, headerOf } from '../../../test/testkit/raw-client.ts'
import { afterBody, head, raw, type Step } from '../../../test/testkit/scripted-vendor.ts'
import { RELAY_TOKEN, VENDOR_KEYS, type Vendor } from '../../../test/testkit/services.ts'
import { rig } from './rig.ts'

const test = rig({ OPENAI_API_KEY: `${VENDOR_KEYS.openai},sk-second-0123456789` })
const answer = (steps: readonly Step[]): void => {
  test.vendor.script = afterBody(() => steps)
}
const ask = (vendor: Vendor, { method = 'POST', path = '', headers = [] as readonly Field[], body = '{}' } = {}) =>
  exchange(
    test.port,
    requestBytes({
      method,
      target: `/proxy/${vendor}/${path || DIALECTS[vendor].path.slice(1)}`,
      headers: [DIALECTS[vendor].credential, ['content-type', 'application/json'], ...headers],
      body: method === 'GET' ? '' : body,
    }),
    { method },
  )

describe("a vendor's answer", () => {
  it('passes byte for byte: status, reason, headers in order, body', async () => {
    answer([
      head(
        418,
        [
          ['X-B', '1'],
          ['x-a', 'café'],
          ['X-B', '2'],
          ['content-length', '3'],
        ],
        "I'm a teapot",
      ),
      raw(Buffer.from([0, 255, 10])),
    ])
    const { status, reason, headers, body } = await ask('openai')
    expect([status, reason]).toEqual([418, "I'm a teapot"])
    const own = headers.filter(([name]) => !/^(connection|keep-alive|x-ferry-request-id)$/i.test(name))
    expect(own).toEqual([
      ['X-B', '1'],
      ['x-a', 'caf\xc3\xa9'],
      ['X-B', '2'],
      ['content-length', '3'],
    ])
    expect(body.equals(Buffer.from([0, 255, 10]))).toBe(true)
  })

  it('stays compressed when it was', async () => {
    const packed = gzipSync('{"a":1}')
    answer([
      head(200, [
        ['content-encoding', 'gzip'],
        ['content-length', String(packed.length)],
      ]),
      raw(packed),
    ])
    expect((await ask('openai')).body.equals(packed)).toBe(true)
  })

  it('has no body at 204, 304 and HEAD, whatever its headers say', async () => {
    answer([head(204, [])])
    expect((await ask('openai', { method: 'DELETE', path: 'v1/files/f' })).framing).toBe('none')
    answer([
      head(304, [
        ['etag', '"x"'],
        ['content-length', '5'],
      ]),
    ])
    expect(headerOf(await ask('openai', { method: 'GET' }), 'content-length')).toBe('5')
    answer([head(200, [['content-length', '5']])])
    const answered = await ask('openai', { method: 'HEAD' })
    expect([answered.status, headerOf(answered, 'content-length')]).toEqual([200, '5'])
  })

  it.each([300, 301, 302, 303, 307, 308])('is not passed when it is a redirect (%i)', async (status) => {
    answer([
      head(status, [
        ['location', 'https://evil.example/'],
        ['content-length', '0'],
      ]),
    ])
    const refused = await ask('anthropic')
    expect([refused.status, headerOf(refused, 'x-ferry-error')]).toEqual([502, 'upstream_invalid'])
    expect(refused.text).not.toContain('evil.example')
  })
})

describe("the vendor's refusal of our key", () => {
  const QUOTE = `Incorrect API key provided: ${VENDOR_KEYS.openai}. Find yours at https://x`
  const quoting = JSON.stringify({ error: { message: QUOTE, code: 'invalid_api_key' } })
  const expectRejected = async (vendor: Vendor): Promise<void> => {
    const refused = await ask(vendor)
    expect([refused.status, headerOf(refused, 'x-ferry-error')]).toEqual([502, 'vendor_key_rejected'])
    expect(headerOf(refused, 'x-should-retry')).toBe('false')
    expect(refused.text).not.toContain('Incorrect')
    for (const key of Object.values(VENDOR_KEYS)) expect(refused.text).not.toContain(key)
    expect(DIALECTS[vendor].errorMessage(refused.body.toString())).toContain('operator')
  }

  it('is a 502 for each 401', async () => {
    answer(json(quoting, 401))
    for (const vendor of ['openai', 'anthropic', 'gemini'] as const) await expectRejected(vendor)
  })

  it('is a 502 for a 403, or a 400, about the key', async () => {
    answer(json(quoting, 403))
    await expectRejected('openai')
    answer(
      json('{"type":"error","error":{"type":"permission_error","message":"Your API key does not have access"}}', 403),
    )
    await expectRejected('anthropic')
    answer(json('{"error":{"code":400,"message":"API key not valid.","details":[{"reason":"API_KEY_INVALID"}]}}', 400))
    await expectRejected('gemini')
  })

  it('is seen in a compressed body too', async () => {
    const packed = gzipSync(quoting)
    answer([
      head(403, [
        ['content-encoding', 'gzip'],
        ['content-length', String(packed.length)],
      ]),
      raw(packed),
    ])
    await expectRejected('openai')
  })

  it('is not a 403 or a 400 about the request: these pass as they are', async () => {
    const body = '{"error":{"message":"You may not use this model","code":"model_not_found"}}'
    for (const status of [403, 400]) {
      answer(json(body, status))
      const passed = await ask('openai')
      expect([passed.status, passed.body.toString(), headerOf(passed, 'x-ferry-error')]).toEqual([
        status,
        body,
        undefined,
      ])
    }
  })

  it('lets the key rest, and the other one serve', async () => {
    answer(json('{}', 401))
    await ask('openai')
    answer(json('{}'))
    for (let i = 0; i < 3; i++) await ask('openai')
    const keys = test.vendor.requests.map((request) => request.header('authorization'))
    expect(new Set(keys.slice(1))).toEqual(new Set(['Bearer sk-second-0123456789']))
    expect(await test.metrics()).toMatch(/relay_vendor_key_resting\{vendor="openai",key="openai-1"\} 1/)
  })
})

describe('URLs that lead past the relay', () => {
  it("leads Gemini's uploads back through itself, and leaves file URIs alone", async () => {
    const uri = '{"file":{"uri":"https://generativelanguage.googleapis.com/v1beta/files/x"}}'
    answer([
      head(200, [
        ['X-Goog-Upload-URL', 'https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=A&x=%20'],
        ['x-goog-upload-status', 'active'],
        ['content-length', String(uri.length)],
      ]),
      raw(uri),
    ])
    const started = await ask('gemini', { path: 'upload/v1beta/files', headers: [['Host', 'relay.example:8443']] })
    expect(headerOf(started, 'x-goog-upload-url')).toBe(
      'http://relay.example:8443/proxy/gemini/upload/v1beta/files?upload_id=A&x=%20',
    )
    expect(started.body.toString()).toBe(uri)
  })

  it.each(['identity', 'gzip'])("leads Anthropic's results_url back through itself (%s)", async (encoding) => {
    const batch = (origin: string): string =>
      `{"data":[{"id":"b","results_url":"${origin}/v1/messages/batches/b/results"},{"id":"c","results_url":null}]}`
    const text = Buffer.from(batch('https://api.anthropic.com'))
    const body = encoding === 'gzip' ? gzipSync(text) : text
    const headers: Field[] = [
      ['content-type', 'application/json'],
      ['content-length', String(body.length)],
    ]
    answer([head(200, encoding === 'gzip' ? [...headers, ['content-encoding', 'gzip']] : headers), raw(body)])
    for (const path of ['v1/messages/batches', 'v1/messages/batches/b', 'messages/batches/b/cancel']) {
      const { body: got } = await ask('anthropic', { path, headers: [['Host', 'relay.example']] })
      expect(got.toString()).toBe(batch('http://relay.example/proxy/anthropic'))
    }
  })

  it('touches no other JSON', async () => {
    const body = '{"results_url":"https://api.anthropic.com/v1/x"}'
    answer(json(body))
    expect((await ask('anthropic')).body.toString()).toBe(body)
  })
})

describe('waits', () => {
  const slow = rig({ REQUEST_TIMEOUT_MS: '200', STREAM_IDLE_TIMEOUT_MS: '200' })
  it('ends a call without a head, and closes it at the vendor', async () => {
    slow.vendor.script = () => []
    const started = performance.now()
    const refused = await exchange(slow.port, chatBytes(DIALECTS.openai))
    expect([refused.status, headerOf(refused, 'x-ferry-error'), headerOf(refused, 'x-ferry-reached')]).toEqual([
      504,
      'upstream_timeout',
      'unknown',
    ])
    expect(performance.now() - started).toBeLessThan(1000)
    await slow.vendor.only.closed
  })

  it('says that nothing was reached when nothing listens', async () => {
    await slow.vendor.stop()
    const refused = await exchange(slow.port, chatBytes(DIALECTS.openai))
    expect(refused.status).toBe(502)
    expect(headerOf(refused, 'x-ferry-reached')).toBe('no')
    expect(headerOf(refused, 'x-should-retry')).toBe('true')
    expect(refused.text).not.toContain('127.0.0.1')
  })
})

it('logs one line a request, without anything secret', async () => {
  answer(json('{"answer":"private"}', 200, [['x-request-id', 'req_vendor']]))
  await ask('gemini', { path: `v1beta/models/m:generateContent?key=${RELAY_TOKEN}`.replace(/\?.*/, '') })
  const lines = test.lines.filter(({ event }) => event === 'request')
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatchObject({
    tokenName: 'app',
    vendor: 'gemini',
    keyLabel: 'gemini-1',
    method: 'POST',
    path: '/v1beta/models/m:generateContent',
    status: 200,
    outcome: 'completed',
    vendorRequestId: 'req_vendor',
    bytesOut: 20,
  })
  const text = JSON.stringify(test.lines)
  for (const secret of [RELAY_TOKEN, VENDOR_KEYS.gemini, 'private']) expect(text).not.toContain(secret)
})
