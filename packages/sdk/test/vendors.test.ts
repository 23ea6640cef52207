import { describe, expect, it } from 'vitest'
import type { NativeTarget } from '../src/aim.ts'
import { anthropic } from '../src/anthropic.ts'
import { gemini } from '../src/gemini.ts'
import { generativeAI } from '../src/generative-ai.ts'
import { createFerry, type Ferry } from '../src/index.ts'
import { openai } from '../src/openai.ts'
import { startServer } from './support/server.ts'
import { answerJson, messages } from './support/wire.ts'

const model = 'm'
const CLIENTS: Record<string, (target: Ferry | NativeTarget) => Promise<unknown>> = {
  openai: (target) => openai(target).chat.completions.create({ model, messages }),
  anthropic: (target) => anthropic(target).messages.create({ model, max_tokens: 9, messages }),
  gemini: (target) => gemini(target).models.generateContent({ model, contents: '你好' }),
  'generative-ai': (target) => generativeAI(target).getGenerativeModel({ model }).generateContent('你好'),
}
const PATHS: Record<string, string> = {
  openai: '/proxy/openai/v1/chat/completions',
  anthropic: '/proxy/anthropic/v1/messages',
  gemini: '/proxy/gemini/v1/models/m:generateContent',
  'generative-ai': '/proxy/gemini/v1beta/models/m:generateContent',
}
const KEY_HEADERS: Record<string, readonly [string, string]> = {
  openai: ['authorization', 'Bearer key'],
  anthropic: ['authorization', 'Bearer key'],
  gemini: ['x-goog-api-key', 'key'],
  'generative-ai': ['x-goog-api-key', 'key'],
}

describe.each(Object.entries(CLIENTS))('%s', (name, call) => {
  const [keyHeader, key] = KEY_HEADERS[name]!

  it('is aimed at the vendor’s path, with the key, the user and the time that it waits', async () => {
    const server = await startServer((_, response) => answerJson(response, 200, { content: [], choices: [] }))
    await call({ baseURL: `${server.url}/v1/`, apiKey: 'key', user: 'u', headers: { 'x-mine': '1' } })
    const [request] = server.received
    expect(request?.path).toBe(PATHS[name])
    expect(request?.headers).toMatchObject({
      [keyHeader]: key,
      'x-ferry-user': 'u',
      'x-ferry-timeout-ms': '600000',
      'x-mine': '1',
    })
  })

  it('does not repeat by itself what the BFF has repeated', async () => {
    const server = await startServer((_, response) => answerJson(response, 503, { error: { message: 'busy' } }))
    await expect(call({ baseURL: server.url, apiKey: 'key' })).rejects.toThrow()
    expect(server.received).toHaveLength(1)
  })

  it.runIf(name !== 'generative-ai')('takes a fetch, and a key that changes', async () => {
    const server = await startServer((_, response) => answerJson(response, 200, { content: [], choices: [] }))
    let fetched = 0
    const own = (url: string, init: RequestInit) => {
      fetched++
      return fetch(url, init)
    }
    await call({ baseURL: server.url, apiKey: async () => 'key', fetch: own })
    expect(fetched).toBe(1)
    expect(server.received[0]?.headers[keyHeader]).toBe(key)
  })
})

it('the older Google client says that it takes no fetch', () => {
  expect(() => generativeAI({ baseURL: 'http://localhost', apiKey: () => 'key' })).toThrow(
    /use `@llm-ferry\/sdk\/gemini`/,
  )
})

it('a relay repeats nothing, so the client’s own retries stay on', async () => {
  const headers = { 'retry-after-ms': '1' }
  const server = await startServer((_, response) => answerJson(response, 503, { error: { message: 'busy' } }, headers))
  await expect(CLIENTS.openai!({ baseURL: server.url, apiKey: 'key', via: 'relay', durable: false })).rejects.toThrow()
  expect(server.received).toHaveLength(3)
})

it.each(Object.entries(CLIENTS))('%s is aimed by a Ferry as well', async (name, call) => {
  const server = await startServer((_, response) => answerJson(response, 200, { content: [], choices: [] }))
  await call(createFerry({ baseURL: server.url, apiKey: 'key', user: '张三', timeoutMs: 5_000 }))
  const [keyHeader, key] = KEY_HEADERS[name]!
  expect(server.received[0]).toMatchObject({
    path: PATHS[name],
    headers: { [keyHeader]: key, 'x-ferry-user': '%E5%BC%A0%E4%B8%89', 'x-ferry-timeout-ms': '5000' },
  })
})

describe('ferry.native', () => {
  it('passes a request and its answer, with the key', async () => {
    const server = await startServer((_, response) => answerJson(response, 418, { native: true }))
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', user: 'u' })
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"input":"hi"}' }
    const response = await ferry.native('openai/v1/audio/speech', init)
    expect(response.status).toBe(418)
    expect(await response.json()).toEqual({ native: true })
    expect(server.received[0]).toMatchObject({
      method: 'POST',
      path: '/proxy/openai/v1/audio/speech',
      json: { input: 'hi' },
      headers: { authorization: 'Bearer key', 'x-ferry-user': 'u' },
    })
  })

  it.each(['', 'openai', '/openai/v1/models', '../admin/v1/keys', 'https://elsewhere/x'])(
    'refuses the path %j',
    async (path) => {
      const ferry = createFerry({ baseURL: 'http://127.0.0.1:9', apiKey: 'key' })
      await expect(ferry.native(path)).rejects.toMatchObject({ code: 'invalid_request', param: 'path' })
    },
  )
})
