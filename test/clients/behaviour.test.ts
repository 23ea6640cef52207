import { brotliCompressSync, gzipSync } from 'node:zlib'
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import { GoogleGenerativeAI } from '@google/generative-ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DIALECTS, json, rightAnswer, sse } from '../testkit/dialects.ts'
import type { Field } from '../testkit/http-reader.ts'
import { afterBody, head, raw, ScriptedVendor, type Step } from '../testkit/scripted-vendor.ts'
import {
  RELAY_TOKEN,
  relayEnv,
  type Service,
  startRelay,
  VENDOR_KEYS,
  VENDORS,
  type Vendor,
} from '../testkit/services.ts'
import { describeError, plain } from './matrix/compare.ts'

const messages = [{ role: 'user' as const, content: 'Say hello' }]

/** Where a client leads and with which key: to the vendor itself, or to the relay. */
interface Way {
  readonly base: (vendor: Vendor) => string
  readonly key: (vendor: Vendor) => string
}

/** One plain and one streamed chat of each SDK; each gives the text. */
const CHATS: Readonly<
  Record<
    string,
    { vendor: Vendor; chat: (way: Way, retries?: number) => Promise<string>; stream: (way: Way) => Promise<string> }
  >
> = {
  openai: {
    vendor: 'openai',
    chat: async (way, maxRetries = 0) =>
      (await openai(way, maxRetries).chat.completions.create({ model: 'gpt-x', messages })).choices[0]?.message
        .content ?? '',
    stream: async (way) => {
      let text = ''
      for await (const { choices } of await openai(way).chat.completions.create({
        model: 'gpt-x',
        messages,
        stream: true,
      })) {
        text += choices[0]?.delta.content ?? ''
      }
      return text
    },
  },
  '@anthropic-ai/sdk': {
    vendor: 'anthropic',
    chat: async (way, maxRetries = 0) => {
      const { content } = await anthropic(way, maxRetries).messages.create({
        model: 'claude-x',
        max_tokens: 9,
        messages,
      })
      return content.map((block) => (block.type === 'text' ? block.text : '')).join('')
    },
    stream: (way) => anthropic(way).messages.stream({ model: 'claude-x', max_tokens: 9, messages }).finalText(),
  },
  '@google/genai': {
    vendor: 'gemini',
    chat: async (way) =>
      (await genai(way).models.generateContent({ model: 'gemini-x', contents: 'Say hello' })).text ?? '',
    stream: async (way) => {
      let text = ''
      for await (const part of await genai(way).models.generateContentStream({
        model: 'gemini-x',
        contents: 'Say hello',
      }))
        text += part.text ?? ''
      return text
    },
  },
  '@google/generative-ai': {
    vendor: 'gemini',
    chat: async (way) => (await old(way).generateContent('Say hello')).response.text(),
    stream: async (way) => {
      let text = ''
      const { stream, response } = await old(way).generateContentStream('Say hello')
      // Both promises fail when a stream cannot be read; only one of them is looked at.
      response.catch(() => {})
      for await (const part of stream) text += part.text()
      return text
    },
  },
}

const openai = ({ base, key }: Way, maxRetries = 0): OpenAI =>
  new OpenAI({ baseURL: `${base('openai')}/v1`, apiKey: key('openai'), maxRetries })
const anthropic = ({ base, key }: Way, maxRetries = 0): Anthropic =>
  new Anthropic({ baseURL: base('anthropic'), apiKey: key('anthropic'), maxRetries })
const genai = ({ base, key }: Way): GoogleGenAI =>
  new GoogleGenAI({ apiKey: key('gemini'), httpOptions: { baseUrl: base('gemini') } })
const old = ({ base, key }: Way) =>
  new GoogleGenerativeAI(key('gemini')).getGenerativeModel({ model: 'gemini-x' }, { baseUrl: base('gemini') })

const ERROR_BODIES: Readonly<Record<Vendor, (status: number) => string>> = {
  openai: (status) => JSON.stringify({ error: { message: `no ${status}`, type: 't', param: 'model', code: 'c' } }),
  anthropic: (status) =>
    JSON.stringify({ type: 'error', error: { type: 'api_error', message: `no ${status}` }, request_id: 'req_1' }),
  gemini: (code) => JSON.stringify({ error: { code, message: `no ${code}`, status: 'UNKNOWN', details: [] } }),
}

/** How the vendors say that a key is bad, in their own words. */
const KEY_FAULTS: Readonly<Record<Vendor, readonly (readonly [status: number, body: string])[]>> = {
  openai: [
    [
      401,
      '{"error":{"message":"Incorrect API key provided: sk-ven***cdef.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}',
    ],
  ],
  anthropic: [
    [
      401,
      '{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_1"}',
    ],
    [
      403,
      '{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission to use the specified resource."}}',
    ],
  ],
  gemini: [
    [
      400,
      '{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}',
    ],
    [
      403,
      '{"error":{"code":403,"message":"Your API key was reported as leaked. Please use another API key.","status":"PERMISSION_DENIED"}}',
    ],
  ],
}

/** What a caller sees of an error; @google/generative-ai quotes the URL, which differs. */
const fault = (error: unknown): unknown => {
  const text = JSON.stringify(describeError(error))
  return JSON.parse(text.replaceAll(`${relay.origin}/proxy/gemini`, '').replaceAll(vendor.origin, ''))
}

let vendor: ScriptedVendor
let relay: Service
let direct: Way
let relayed: Way
beforeAll(async () => {
  vendor = await ScriptedVendor.start()
  relay = await startRelay(relayEnv(vendor.origin))
  direct = { base: () => vendor.origin, key: (name) => VENDOR_KEYS[name] }
  relayed = { base: (name) => `${relay.origin}/proxy/${name}`, key: () => RELAY_TOKEN }
})
beforeEach(() => vendor.clear())
afterAll(async () => {
  await relay?.stop()
  await vendor?.stop()
})

describe.each(Object.entries(CHATS))('%s through the relay', (_, { vendor: name, chat, stream }) => {
  const dialect = DIALECTS[name]

  it('gets a plain answer', async () => {
    vendor.script = afterBody(() => rightAnswer(dialect, false))
    expect(await chat(relayed)).toBe('Hello there')
    expect(vendor.only.text).toContain(VENDOR_KEYS[name])
    expect(vendor.only.text).not.toContain(RELAY_TOKEN)
  })

  it('gets a streamed answer', async () => {
    vendor.script = afterBody(() => rightAnswer(dialect, true))
    expect(await stream(relayed)).toBe('Hello there')
  })

  it('gets a stream with CRLF, comments aside', async () => {
    const crlf = dialect.stream.map((event) => event.toString().replaceAll('\n', '\r\n'))
    vendor.script = afterBody(() => sse(crlf))
    const expected = await stream(direct).catch(fault)
    expect(await stream(relayed).catch(fault)).toEqual(expected)
  })

  // Compressed once and not again, not decompressed with the label left on: both end in "terminated" in every SDK.
  it.each(['gzip', 'br'])('gets an answer in %s', async (coding) => {
    const body = coding === 'gzip' ? gzipSync(dialect.answer) : brotliCompressSync(dialect.answer)
    vendor.script = afterBody(() => [
      head(200, [
        ['content-type', 'application/json'],
        ['content-encoding', coding],
        ['content-length', String(body.length)],
      ]),
      raw(body),
    ])
    expect(await chat(relayed)).toBe('Hello there')
  })

  it.each([400, 402, 404, 408, 409, 413, 422, 429, 500, 503, 504, 529])(
    "throws the vendor's own error for %i",
    async (status) => {
      const body = ERROR_BODIES[name](status)
      const headers: readonly Field[] = [
        ['x-request-id', 'req_1'],
        ['request-id', 'req_1'],
        ['retry-after', '7'],
        ['x-should-retry', 'false'],
      ]
      vendor.script = afterBody(() => json(body, status, headers))
      const expected = await chat(direct).catch(fault)
      expect(expected).toHaveProperty('error')
      expect(await chat(relayed).catch(fault)).toEqual(expected)
    },
  )

  it.each(['<html>Bad gateway</html>', '', '{"error":"text"}', '[{"error":{"code":500,"message":"in a list"}}]'])(
    'throws as the vendor would for an error body of another kind: %s',
    async (body) => {
      vendor.script = afterBody(() => [
        head(500, [
          ['content-type', body.startsWith('<') ? 'text/html' : 'application/json'],
          ['content-length', String(body.length)],
        ]),
        raw(body),
      ])
      const expected = await chat(direct).catch(fault)
      expect(await chat(relayed).catch(fault)).toEqual(expected)
    },
  )

  // The caller's own credential is fine; an AuthenticationError would send its operator looking in the wrong place,
  // and a retry would only be refused again.
  for (const [status, body] of KEY_FAULTS[name]) {
    it(`turns the vendor's refusal of our key into a 502 that no SDK repeats: ${status}`, async () => {
      vendor.script = afterBody(() => json(body, status))
      const error = (await chat(relayed, 2).catch((thrown: unknown) => thrown)) as Error & { status?: number }
      expect(error.status).toBe(502)
      expect(error.message).not.toMatch(/not valid|invalid x-api-key|Incorrect|leaked|permission to use/)
      expect(vendor.requests).toHaveLength(1)
    })
  }

  it('passes a 403 that is not about our key', async () => {
    vendor.script = afterBody(() => json(ERROR_BODIES[name](403), 403))
    const expected = await chat(direct).catch(fault)
    expect(await chat(relayed).catch(fault)).toEqual(expected)
  })

  it("throws the SDK's own authentication error for a wrong token", async () => {
    const stranger: Way = { ...relayed, key: () => 'stranger-0123456789abcdef' }
    vendor.script = afterBody(() => json(ERROR_BODIES[name](401), 401))
    const expected = (await chat(direct).catch((thrown: unknown) => thrown)) as Error & { status?: number }
    vendor.clear()
    const error = (await chat(stranger, 2).catch((thrown: unknown) => thrown)) as Error & { status?: number }
    expect({ type: error.constructor, status: error.status }).toEqual({ type: expected.constructor, status: 401 })
    expect(vendor.requests).toEqual([])
  })

  // A redirect that is passed on takes the caller, its token and its prompt past the relay: fetch keeps x-api-key and
  // x-goog-api-key even across origins.
  it.each([301, 302, 307, 308])('is not sent elsewhere by a %i', async (status) => {
    const elsewhere = await ScriptedVendor.start()
    vendor.script = afterBody(() => [
      head(status, [
        ['location', `${elsewhere.origin}/v1/x`],
        ['content-length', '0'],
      ]),
    ])
    await expect(chat(relayed)).rejects.toThrow()
    expect(elsewhere.accepted).toBe(0)
    expect(vendor.requests).toHaveLength(1)
    await elsewhere.stop()
  })
})

describe("retries are the SDK's own", () => {
  it.each(['openai', '@anthropic-ai/sdk'])('%s repeats a 529 or a 503 as it would directly', async (sdk) => {
    const { vendor: name, chat } = CHATS[sdk] as (typeof CHATS)[string]
    for (const status of [503, 529]) {
      vendor.clear()
      const answers: (readonly Step[])[] = [json(ERROR_BODIES[name](status), status, [['retry-after-ms', '5']])]
      vendor.script = afterBody(() => answers.shift() ?? rightAnswer(DIALECTS[name], false))
      expect(await chat(relayed, 2)).toBe('Hello there')
      expect(vendor.requests.map((request) => request.header('x-stainless-retry-count'))).toEqual(['0', '1'])
    }
  })

  it.each(['openai', '@anthropic-ai/sdk'])(
    '%s does not repeat a call that timed out, because it may have been billed',
    async (sdk) => {
      const { chat, vendor: name } = CHATS[sdk] as (typeof CHATS)[string]
      const slow = await startRelay(
        relayEnv(vendor.origin, { REQUEST_TIMEOUT_MS: '300', MAX_REQUEST_TIMEOUT_MS: '300' }),
      )
      vendor.script = () => [(wire) => wire.request.closed.then(() => {})]
      const call = chat({ ...relayed, base: () => `${slow.origin}/proxy/${name}` }, 2)
      const error = (await call.catch((thrown: unknown) => thrown)) as { status?: number }
      await slow.stop()
      expect(error.status).toBe(504)
      expect(vendor.requests).toHaveLength(1)
    },
  )
})

describe('what leads back', () => {
  it("anthropic's results_url comes back through the relay", async () => {
    const lines = '{"custom_id":"a","result":{"type":"succeeded"}}\n{"custom_id":"b","result":{"type":"errored"}}\n'
    vendor.script = afterBody(({ target }) => {
      if (target.endsWith('/results'))
        return [
          head(200, [
            ['content-type', 'application/x-jsonl'],
            ['content-length', String(lines.length)],
          ]),
          raw(lines),
        ]
      const url = `${vendor.origin}/v1/messages/batches/msgbatch_1/results`
      return json(
        JSON.stringify({ id: 'msgbatch_1', type: 'message_batch', processing_status: 'ended', results_url: url }),
      )
    })
    const client = anthropic(relayed)
    const ids: string[] = []
    for await (const { custom_id } of await client.messages.batches.results('msgbatch_1')) ids.push(custom_id)
    expect(ids).toEqual(['a', 'b'])
    expect(vendor.requests.map(({ target }) => target)).toEqual([
      '/v1/messages/batches/msgbatch_1',
      '/v1/messages/batches/msgbatch_1/results',
    ])
    for (const { text } of vendor.requests) expect(text).not.toContain(RELAY_TOKEN)
    const { results_url } = await client.messages.batches.retrieve('msgbatch_1')
    expect(results_url).toBe(`${relay.origin}/proxy/anthropic/v1/messages/batches/msgbatch_1/results`)
    vendor.script = afterBody(() => {
      const url = `${vendor.origin}/v1/messages/batches/b/results`
      return json(
        JSON.stringify({
          data: [
            { id: 'b', results_url: url },
            { id: 'c', results_url: null },
          ],
          has_more: false,
        }),
      )
    })
    const listed = (await client.messages.batches.list()).data
    expect(listed.map((batch) => batch.results_url)).toEqual([
      `${relay.origin}/proxy/anthropic/v1/messages/batches/b/results`,
      null,
    ])
  })

  it("gemini's file URIs stay the vendor's, because they are sent back to it", async () => {
    const uri = 'https://generativelanguage.googleapis.com/v1beta/files/abc'
    vendor.script = afterBody(() =>
      json(JSON.stringify({ name: 'files/abc', uri, downloadUri: `${uri}:download?alt=media` })),
    )
    const file = await genai(relayed).files.get({ name: 'files/abc' })
    expect(file.uri).toBe(uri)
  })

  it("gemini's upload URL comes back through the relay, with its query", async () => {
    vendor.script = afterBody(() => [
      head(200, [
        ['x-goog-upload-url', `${vendor.origin}/upload/v1beta/files?upload_id=A-b_1&upload_protocol=resumable`],
        ['x-goog-upload-status', 'active'],
        ['content-length', '0'],
      ]),
    ])
    const answer = await fetch(`${relay.origin}/proxy/gemini/upload/v1beta/files`, {
      method: 'POST',
      headers: {
        'x-goog-api-key': RELAY_TOKEN,
        'x-goog-upload-command': 'start',
        'x-goog-upload-protocol': 'resumable',
      },
    })
    const url = answer.headers.get('x-goog-upload-url') ?? ''
    expect(url).toBe(`${relay.origin}/proxy/gemini/upload/v1beta/files?upload_id=A-b_1&upload_protocol=resumable`)
  })

  it("request ids of the vendors are the SDKs' _request_id", async () => {
    const ids: readonly Field[] = [
      ['x-request-id', 'req_o'],
      ['request-id', 'req_a'],
      ['anthropic-workspace-id', 'ws'],
    ]
    vendor.script = afterBody(({ target }) =>
      json(target.includes('messages') ? DIALECTS.anthropic.answer : DIALECTS.openai.answer, 200, ids),
    )
    expect((await openai(relayed).chat.completions.create({ model: 'm', messages }))._request_id).toBe('req_o')
    expect((await anthropic(relayed).messages.create({ model: 'm', max_tokens: 1, messages }))._request_id).toBe(
      'req_a',
    )
  })

  it.each(VENDORS)('%s: an answer without content-type stays one', async (name) => {
    vendor.script = afterBody(() => [head(200, [['content-length', '2']]), raw('{}')])
    const answer = await fetch(`${relayed.base(name)}${DIALECTS[name].path}`, {
      method: 'POST',
      headers: { [DIALECTS[name].credential[0]]: DIALECTS[name].credential[1] },
      body: '{}',
    })
    expect(answer.headers.get('content-type')).toBeNull()
    expect(await plain(answer)).toMatchObject({ status: 200, bytes: '{}' })
  })
})
