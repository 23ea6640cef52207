import { describe, expect, it } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { afterBody, chunk, head, lastChunk } from '../../../../test/testkit/scripted-vendor.ts'
import type { Vendor } from '../../../../test/testkit/services.ts'
import { json, startTestBff, streamHead } from '../support.ts'
import { accessLine, callNative, DIALECTS, VENDORS } from './support.ts'

const messages = [{ role: 'user', content: 'hi' }]

/** What keeps state in an account that all keys share, by vendor: method, path, body. */
const STATEFUL: readonly (readonly [Vendor, string, string, unknown?])[] = [
  ['openai', 'POST', '/v1/files', {}],
  ['openai', 'GET', '/v1/files'],
  ['openai', 'GET', '/v1/files/file-1/content'],
  ['openai', 'POST', '/v1/batches', {}],
  ['openai', 'POST', '/v1/vector_stores', {}],
  ['openai', 'GET', '/v1/responses/resp_1'],
  ['openai', 'DELETE', '/v1/responses/resp_1'],
  ['openai', 'POST', '/v1/responses/resp_1/cancel', {}],
  ['openai', 'GET', '/v1/chat/completions'],
  ['openai', 'DELETE', '/v1/models/ft-1'],
  ['openai', 'POST', '/v1/fine_tuning/jobs', {}],
  ['openai', 'GET', '/v1/realtime?model=gpt-realtime'],
  ['openai', 'GET', '/v1/organization/usage/completions'],
  ['openai', 'POST', '/v1/chat/completions', { model: 'm', messages, store: true }],
  ['openai', 'POST', '/v1/responses', { model: 'm', input: 'hi' }],
  ['openai', 'POST', '/v1/responses', { model: 'm', input: 'hi', store: null }],
  ['openai', 'POST', '/v1/responses', { model: 'm', input: 'hi', store: true }],
  ['openai', 'POST', '/v1/responses', { model: 'm', input: 'hi', store: false, background: true }],
  ['openai', 'POST', '/v1/responses', { model: 'm', input: 'hi', store: false, previous_response_id: 'resp_1' }],
  ['openai', 'POST', '/v1/responses', { model: 'm', input: 'hi', store: false, conversation: 'conv_1' }],
  ['anthropic', 'POST', '/v1/files', {}],
  ['anthropic', 'POST', '/v1/messages/batches', {}],
  ['anthropic', 'GET', '/v1/messages/batches/b/results'],
  ['anthropic', 'GET', '/v1/organizations/api_keys'],
  ['gemini', 'POST', '/upload/v1beta/files', {}],
  ['gemini', 'GET', '/v1beta/files'],
  ['gemini', 'POST', '/v1beta/cachedContents', {}],
  ['gemini', 'POST', '/v1beta/models/g:batchGenerateContent', {}],
  ['gemini', 'POST', '/v1beta/tunedModels/t:generateContent', {}],
  ['gemini', 'POST', '/v1beta/models/g:generateContent', { contents: [], cachedContent: 'cachedContents/1' }],
  ['gemini', 'GET', '/ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent'],
]

const filled = ([vendor, method, path, body]: (typeof STATEFUL)[number]) => [vendor, method, path, body] as const

const textOf = (body: unknown): { body?: string } => (body === undefined ? {} : { body: JSON.stringify(body) })

describe('what keeps state in the shared account', () => {
  it.each(STATEFUL.map(filled))('is refused before it is sent: %s %s %s %j', async (vendor, method, path, body) => {
    const bff = await startTestBff(afterBody(() => json(200, {})))
    const response = await callNative(bff, vendor, path, { method, ...textOf(body) })
    expect(response.status).toBe(403)
    expect(response.headers.get('x-ferry-error')).toBe('operation_not_allowed')
    expect(DIALECTS[vendor].errorMessage(await response.text())).toContain('native: full')
    expect(bff.vendor.requests).toHaveLength(0)
  })

  it.each(STATEFUL.map(filled))(
    'passes for a key with native: full: %s %s %s %j',
    async (vendor, method, path, body) => {
      const yaml = 'keys:\n  app: { native: full }\n'
      const bff = await startTestBff(
        afterBody(() => json(200, { id: 'x' })),
        {},
        yaml,
      )
      const response = await callNative(bff, vendor, path, { method, ...textOf(body) })
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual({ id: 'x' })
      expect(bff.vendor.only).toMatchObject({ method, target: path })
      if (body !== undefined) expect(bff.vendor.only.body.toString()).toBe(JSON.stringify(body))
    },
  )
})

describe('a path that could mean something else to the vendor', () => {
  it.each([
    '/v1/models/..%2f..%2ffiles',
    '/v1/models/x%2e%2e%2ffiles',
    '/v1/models/x%252f..',
    '/v1/chat/completions%3f',
    '/v1/chat%5ccompletions',
    '/v1/x%00',
  ])('is refused: %s', async (path) => {
    const bff = await startTestBff(
      afterBody(() => json(200, {})),
      {},
      'keys:\n  app: { native: full }\n',
    )
    const response = await callNative(bff, 'openai', path, { method: 'GET' })
    expect(response.status).toBe(400)
    expect(bff.vendor.requests).toHaveLength(0)
  })

  it.each([
    ['/chat/completions', '/v1/chat/completions'],
    ['/v1/v1/chat/completions', '/v1/chat/completions'],
    ['//v1/chat/completions', '/v1/chat/completions'],
  ])('has its version once: %s', async (path, target) => {
    const bff = await startTestBff(afterBody(() => json(200, {})))
    await callNative(bff, 'openai', path, { body: DIALECTS.openai.body })
    expect(bff.vendor.only.target).toBe(target)
  })
})

const tokens = { input_tokens: 7, output_tokens: 5, total_tokens: 12 }
const embedded = { data: [], usage: { prompt_tokens: 7, total_tokens: 7 } }

/** Operations that are passed on, what the vendor answers, and what they are charged. */
const METERED: readonly (readonly [Vendor, string, string, unknown, unknown, number, number])[] = [
  ['openai', 'POST', '/v1/responses', { model: 'm', input: 'hi', store: false }, { output: [], usage: tokens }, 7, 5],
  ['openai', 'POST', '/v1/completions', { model: 'm', prompt: 'hi' }, JSON.parse(DIALECTS.openai.answer), 3, 2],
  ['openai', 'POST', '/v1/embeddings', { model: 'm', input: 'hi' }, embedded, 7, 0],
  ['openai', 'POST', '/v1/images/generations', { model: 'm', prompt: 'hi' }, { data: [], usage: tokens }, 7, 5],
  ['openai', 'POST', '/v1/moderations', { input: 'hi' }, { results: [] }, 0, 0],
  ['openai', 'GET', '/v1/models', undefined, { data: [] }, 0, 0],
  ['anthropic', 'POST', '/v1/messages/count_tokens', { model: 'm', messages }, { input_tokens: 9 }, 0, 0],
  ['anthropic', 'GET', '/v1/models', undefined, { data: [] }, 0, 0],
  ['gemini', 'POST', '/v1beta/models/g:countTokens', { contents: [] }, { totalTokens: 9 }, 0, 0],
  ['gemini', 'POST', '/v1/models/g:embedContent', {}, { usageMetadata: { promptTokenCount: 7 } }, 7, 0],
  ['gemini', 'GET', '/v1beta/models?pageSize=2', undefined, { models: [] }, 0, 0],
]

describe('a stateless operation', () => {
  it.each(METERED)(
    'is passed on and metered: %s %s %s',
    async (vendor, method, path, body, answer, prompt, written) => {
      const bff = await startTestBff(afterBody(() => json(200, answer)))
      const response = await callNative(bff, vendor, path, { method, ...textOf(body) })
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual(answer)
      expect(bff.vendor.only.target).toBe(path)
      await eventually('the access line', () => accessLine(bff) !== undefined)
      expect(accessLine(bff)).toMatchObject({ promptTokens: prompt, completionTokens: written })
      expect(accessLine(bff)).not.toHaveProperty('estimated')
    },
  )

  const RESPONSE = [
    'event: response.created\ndata: {"type":"response.created","sequence_number":0}\n\n',
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Hi","sequence_number":1}\n\n',
    `event: response.completed\ndata: {"type":"response.completed","sequence_number":2,"response":{"usage":${JSON.stringify(tokens)}}}\n\n`,
  ]
  const body = JSON.stringify({ model: 'm', input: 'hi', store: false, stream: true })

  it('that streams responses is metered by its last event', async () => {
    const bff = await startTestBff(afterBody(() => [streamHead(), ...RESPONSE.map((e) => chunk(e)), lastChunk()]))
    const response = await callNative(bff, 'openai', '/v1/responses', { body })
    expect(await response.text()).toBe(RESPONSE.join(''))
    await eventually('the access line', () => accessLine(bff) !== undefined)
    expect(accessLine(bff)).toMatchObject({ promptTokens: 7, completionTokens: 5 })
  })

  it('that streams responses and is cut ends with the event that comes next by its number', async () => {
    const bff = await startTestBff(
      afterBody(() => [streamHead(), ...RESPONSE.slice(0, 2).map((e) => chunk(e)), lastChunk()]),
    )
    const response = await callNative(bff, 'openai', '/v1/responses', { body })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    await (async () => {
      for (let step = await reader?.read(); step && !step.done; step = await reader?.read()) text += step.value
    })().catch(() => undefined)
    expect(text).toContain('"type":"error","code":"upstream_truncated"')
    expect(text).toContain('"sequence_number":2')
  })

  it('that answers with sound passes it byte for byte', async () => {
    const sound = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const bff = await startTestBff(
      afterBody(() => [
        head(200, [
          ['content-type', 'audio/mpeg'],
          ['transfer-encoding', 'chunked'],
        ]),
        chunk(sound.subarray(0, 100)),
        chunk(sound.subarray(100)),
        lastChunk(),
      ]),
    )
    const speech = JSON.stringify({ model: 'tts-1', input: 'hi', voice: 'alloy' })
    const response = await callNative(bff, 'openai', '/v1/audio/speech', { body: speech })
    expect(response.headers.get('content-type')).toBe('audio/mpeg')
    expect(Buffer.from(await response.arrayBuffer()).equals(sound)).toBe(true)
    await eventually('the access line', () => accessLine(bff) !== undefined)
    expect(accessLine(bff)).toMatchObject({ model: 'tts-1', estimated: true })
  })

  it.each(VENDORS)('of %s is unknown for a vendor that is not configured', async (vendor) => {
    const bff = await startTestBff(afterBody(() => json(200, {})))
    const response = await fetch(`${bff.origin}/proxy/no-such${DIALECTS[vendor].path}`, {
      method: 'POST',
      headers: { authorization: 'Bearer bff-key-of-app-0123456789' },
    })
    expect(response.status).toBe(404)
    expect(response.headers.get('x-ferry-error')).toBe('vendor_not_found')
  })
})
