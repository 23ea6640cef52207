import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createFerry, FerryError } from '../src/index.ts'
import { completion, errorBody, messages, request, usage } from './support/wire.ts'

const BASE = 'https://llm.example.cn'
const CHAT = `${BASE}/v1/chat/completions`
// A call that failed on the way is left, some time after its test.
const server = setupServer(http.delete(`${BASE}/v1/calls/:key`, () => new Response(null, { status: 204 })))
beforeAll(() => server.listen({ onUnhandledFrame: 'error' }))
afterEach(() => server.resetHandlers())
afterAll(() => server.close())

const ferry = createFerry({ baseURL: BASE, apiKey: 'key', maxRetries: 0 })

/** Answers chats, and gives the requests that came. */
function answering(answer: () => Response = () => HttpResponse.json(completion('hi'))) {
  const seen: { headers: Headers; body: Record<string, unknown> }[] = []
  server.use(
    http.post(CHAT, async ({ request }) => {
      seen.push({ headers: request.headers, body: (await request.json()) as Record<string, unknown> })
      return answer()
    }),
  )
  return seen
}

describe('what is sent', () => {
  it('is the request, the key, and an Idempotency-Key of its own', async () => {
    const seen = answering()
    await ferry.chat({ ...request, temperature: 0 })
    await ferry.chat(request)
    expect(seen[0]?.body).toEqual({ model: 'openai/gpt-5-mini', messages, temperature: 0, stream: false })
    expect(seen[0]?.headers.get('authorization')).toBe('Bearer key')
    expect(seen[0]?.headers.get('x-ferry-timeout-ms')).toBeNull()
    expect(seen[0]?.headers.get('idempotency-key')).toMatch(/^[\w-]{20,}$/)
    expect(seen[0]?.headers.get('idempotency-key')).not.toBe(seen[1]?.headers.get('idempotency-key'))
  })

  it('takes the call’s word over the client’s', async () => {
    const seen = answering()
    const client = createFerry({
      baseURL: BASE,
      apiKey: 'key',
      user: 'a',
      timeoutMs: 9_000,
      headers: { x: '1', y: '1' },
    })
    const options = {
      user: 'b',
      timeoutMs: 5_000,
      headers: { y: '2' },
      idempotencyKey: 'mine',
      extraBody: { top_k: 5 },
    }
    await client.chat(request, options)
    const { headers, body } = seen[0]!
    expect(headers.get('x-ferry-user')).toBe('b')
    expect(Number(headers.get('x-ferry-timeout-ms'))).toBeGreaterThan(4_000)
    expect(Number(headers.get('x-ferry-timeout-ms'))).toBeLessThanOrEqual(5_000)
    expect([headers.get('x'), headers.get('y')]).toEqual(['1', '2'])
    expect(headers.get('idempotency-key')).toBe('mine')
    expect(body.top_k).toBe(5)
  })

  it('encodes a user that a header cannot carry', async () => {
    const seen = answering()
    await ferry.chat(request, { user: '张三' })
    expect(seen[0]?.headers.get('x-ferry-user')).toBe('%E5%BC%A0%E4%B8%89')
  })

  it('asks for a fresh key before every call', async () => {
    const seen = answering()
    let minted = 0
    const client = createFerry({ baseURL: BASE, apiKey: async () => `token-${++minted}` })
    await client.chat(request)
    await client.chat(request)
    expect(seen.map(({ headers }) => headers.get('authorization'))).toEqual(['Bearer token-1', 'Bearer token-2'])
  })
})

describe('what comes back', () => {
  it('is the completion with shortcuts, and as JSON the completion alone', async () => {
    answering(() => HttpResponse.json(completion('你好！', { usage })))
    const answer = await ferry.chat(request)
    expect(answer.text).toBe('你好！')
    expect(answer.finishReason).toBe('stop')
    expect(answer.toolCalls).toEqual([])
    expect(answer.message).toEqual({ role: 'assistant', content: '你好！', refusal: null })
    expect(answer.usage?.total_tokens).toBe(5)
    expect(JSON.parse(JSON.stringify(answer))).toEqual(completion('你好！', { usage }))
  })

  it('tells how the call went', async () => {
    const headers = {
      'x-ferry-request-id': 'req-1',
      'x-ferry-vendor': 'openai',
      'x-ferry-model': 'gpt-5-mini-2026',
      'x-ferry-relay': 'hk',
      'x-ferry-attempts': '2',
      'x-ferry-cache': 'miss',
      'x-ferry-dropped': 'seed, top_p',
      'x-ratelimit-remaining-requests': '59',
    }
    answering(() => HttpResponse.json(completion('hi'), { headers }))
    const { meta } = await ferry.chat(request)
    expect(meta).toMatchObject({
      requestId: 'req-1',
      vendor: 'openai',
      model: 'gpt-5-mini-2026',
      relay: 'hk',
      attempts: 2,
      cache: 'miss',
      dropped: ['seed', 'top_p'],
      retries: 0,
    })
    expect(meta.headers.get('x-ratelimit-remaining-requests')).toBe('59')
  })

  it('never takes an error or something else with status 200 for an answer', async () => {
    answering(() => HttpResponse.json(errorBody('vendor_overloaded')))
    await expect(ferry.chat(request)).rejects.toMatchObject({ code: 'vendor_overloaded' })
    for (const wrong of [null, 'text', {}, { choices: [] }, { choices: [{ index: 0 }] }]) {
      answering(() => HttpResponse.json(wrong))
      await expect(ferry.chat(request)).rejects.toMatchObject({ code: 'upstream_invalid' })
    }
    answering(() => new Response('<html>', { headers: { 'content-type': 'text/html' } }))
    await expect(ferry.chat(request)).rejects.toMatchObject({ code: 'upstream_invalid' })
  })
})

describe('errors', () => {
  const failing = async (answer: () => Response): Promise<FerryError> => {
    answering(answer)
    const error = await ferry.chat(request).catch((error: unknown) => error)
    if (!FerryError.is(error)) throw new Error('expected a FerryError', { cause: error })
    return error
  }

  it('carry the server’s code, and all that leads to the cause', async () => {
    const error = await failing(() =>
      HttpResponse.json(
        errorBody('unsupported_parameter', 'no stop for you', {
          param: 'stop',
          vendor: 'anthropic',
          vendor_code: 'invalid_request_error',
        }),
        { status: 400, headers: { 'x-ferry-request-id': 'req-2' } },
      ),
    )
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      code: 'unsupported_parameter',
      message: 'no stop for you',
      status: 400,
      param: 'stop',
      vendor: 'anthropic',
      vendorCode: 'invalid_request_error',
      requestId: 'req-2',
      isRetryable: false,
    })
  })

  it('keep a code that is not ours as the vendor’s', async () => {
    const error = await failing(() => HttpResponse.json(errorBody('model_on_fire'), { status: 404 }))
    expect(error).toMatchObject({ code: 'not_found', vendorCode: 'model_on_fire', status: 404 })
  })

  it.each([
    [400, 'invalid_request', false],
    [401, 'authentication_failed', false],
    [403, 'permission_denied', false],
    [404, 'not_found', false],
    [408, 'request_timeout', true],
    [413, 'request_too_large', false],
    [418, 'invalid_request', false],
    [429, 'rate_limit_exceeded', true],
    [500, 'internal_error', false],
    [502, 'upstream_unreachable', true],
    [503, 'overloaded', true],
    [504, 'upstream_timeout', false],
    [529, 'internal_error', false],
  ])('are told by the status %i where a proxy answers in HTML', async (status, code, isRetryable) => {
    const html = () => new Response('<h1>nginx</h1>', { status, headers: { 'content-type': 'text/html' } })
    expect(await failing(html)).toMatchObject({ code, status, isRetryable })
  })

  it('tell how long to wait', async () => {
    const wait = async (headers: Record<string, string>) =>
      (await failing(() => HttpResponse.json(errorBody('rate_limit_exceeded'), { status: 429, headers }))).retryAfterMs
    expect(await wait({ 'retry-after': '7' })).toBe(7_000)
    expect(await wait({ 'retry-after-ms': '120', 'retry-after': '7' })).toBe(120)
    expect(await wait({ 'retry-after': new Date(Date.now() + 30_000).toUTCString() })).toBeGreaterThan(28_000)
    expect(await wait({ 'retry-after': 'soon' })).toBeUndefined()
    expect(await wait({})).toBeUndefined()
  })

  it('name the address of a redirect, which is not followed: it would take the key along', async () => {
    const error = await failing(
      () => new Response(null, { status: 308, headers: { location: 'https://new.example/v1' } }),
    )
    expect(error).toMatchObject({ code: 'upstream_invalid', status: 308 })
    expect(error.message).toContain('https://new.example/v1')
  })

  it('never quote the key', async () => {
    server.use(http.post(CHAT, () => HttpResponse.error()))
    const client = createFerry({ baseURL: BASE, apiKey: 'secret-key', maxRetries: 0 })
    const error = await client.chat(request).catch((error: unknown) => error)
    const told = [error, (error as Error).cause].map(
      (each) => `${each} ${JSON.stringify(each)} ${(each as Error)?.stack}`,
    )
    expect(told.join()).not.toContain('secret-key')
  })
})

describe('models and embeddings', () => {
  it('lists models', async () => {
    const model = { id: 'openai/gpt-5-mini', object: 'model', created: 0, owned_by: 'openai' }
    server.use(http.get(`${BASE}/v1/models`, () => HttpResponse.json({ object: 'list', data: [model] })))
    expect(await ferry.models()).toEqual([model])
    server.use(http.get(`${BASE}/v1/models`, () => HttpResponse.json({ nothing: true })))
    await expect(ferry.models()).rejects.toMatchObject({ code: 'upstream_invalid' })
  })

  it('gives vectors in the order of the inputs, from numbers and from base64', async () => {
    const base64 = Buffer.from(new Float32Array([0.5, -2]).buffer).toString('base64')
    const data = [
      { object: 'embedding', index: 1, embedding: [1, 2] },
      { object: 'embedding', index: 0, embedding: base64 },
    ]
    const answer = { object: 'list', model: 'text-embedding-3-small', data }
    server.use(
      http.post(`${BASE}/v1/embeddings`, () => HttpResponse.json(answer, { headers: { 'x-ferry-vendor': 'openai' } })),
    )
    const result = await ferry.embeddings({ model: 'openai/text-embedding-3-small', input: ['渡口', 'ferry'] })
    expect(result.vectors).toEqual([
      [0.5, -2],
      [1, 2],
    ])
    expect(result.meta.vendor).toBe('openai')
    expect(JSON.parse(JSON.stringify(result))).toEqual(answer)
  })
})
