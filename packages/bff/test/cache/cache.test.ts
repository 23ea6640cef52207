import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { chunk, delay, hang, lastChunk, reset, type Step } from '../../../../test/testkit/scripted-vendor.ts'
import {
  BFF_KEY,
  errorOf,
  json,
  payloads,
  plainAnswer,
  streamAnswer,
  streamEvents,
  streamHead,
  textOf,
} from '../support.ts'
import { asAsked, CACHED, cacheOf, startCacheBff } from './support.ts'

const PRICES = 'prices: { openai/gpt-x: { input: 1, output: 2 } }\n'
const TWO_KEYS = { BFF_KEYS: `app:${BFF_KEY},other:other-key-of-app-0123456789` }
const OTHER = { authorization: 'Bearer other-key-of-app-0123456789' }
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

describe('an answer that is asked for again', () => {
  test('comes from the cache when asked for by header, and says so', async () => {
    const { chat, vendor } = await startCacheBff()
    const first = await chat({}, CACHED)
    expect([first.status, cacheOf(first), first.headers.get('age')]).toEqual([200, 'miss', null])
    const again = await chat({}, CACHED)
    expect([again.status, cacheOf(again), again.headers.get('age')]).toEqual([200, 'hit', '0'])
    expect(again.headers.get('x-ferry-vendor')).toBe('openai')
    expect(again.headers.get('x-ferry-attempts')).toBe('0')
    expect(await again.json()).toEqual(await first.json())
    expect(vendor.requests).toHaveLength(1)
  })

  test('does not when nobody asked', async () => {
    const { chat, vendor } = await startCacheBff()
    for (let i = 0; i < 2; i++) expect(cacheOf(await chat())).toBeNull()
    expect(vendor.requests).toHaveLength(2)
  })

  test('comes again as a stream, chunk by chunk, with usage only for who wants it', async () => {
    const { chat, vendor } = await startCacheBff()
    const first = await (await chat({ stream: true, stream_options: { include_usage: true } }, CACHED)).text()
    const again = await chat({ stream: true, stream_options: { include_usage: true } }, CACHED)
    expect(cacheOf(again)).toBe('hit')
    expect(again.headers.get('content-type')).toContain('text/event-stream')
    expect(await again.text()).toBe(first)
    expect(first).toContain('"total_tokens"')
    const bare = await (await chat({ stream: true }, CACHED)).text()
    expect(bare).not.toContain('"total_tokens"')
    expect(payloads(bare).at(-1)).toBe('[DONE]')
    expect(vendor.requests).toHaveLength(1)
  })

  test('serves a stream from a whole answer, and a whole answer from a stream', async () => {
    const { chat, vendor } = await startCacheBff()
    const whole = (await (await chat({ seed: 1 }, CACHED)).json()) as OpenAI.ChatCompletion
    const streamed = await chat({ seed: 1, stream: true, stream_options: { include_usage: true } }, CACHED)
    expect(cacheOf(streamed)).toBe('hit')
    const text = await streamed.text()
    expect(textOf(text)).toBe(whole.choices[0]?.message.content)
    expect(text).toContain('"finish_reason":"stop"')

    const stream = await (await chat({ seed: 2, stream: true }, CACHED)).text()
    const plain = await chat({ seed: 2 }, CACHED)
    expect(cacheOf(plain)).toBe('hit')
    const completion = (await plain.json()) as OpenAI.ChatCompletion
    expect(completion.object).toBe('chat.completion')
    expect(completion.choices[0]?.message.content).toBe(textOf(stream))
    expect(completion.usage?.total_tokens).toBeGreaterThan(0)
    expect(vendor.requests).toHaveLength(2)
  })

  test('OpenAI’s client reads it either way', async () => {
    const { origin } = await startCacheBff()
    const client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: BFF_KEY, defaultHeaders: CACHED.headers })
    const request = { model: 'openai/gpt-x', messages: [{ role: 'user' as const, content: 'hi' }] }
    const one = await client.chat.completions.create(request)
    const stream = client.chat.completions.stream(request)
    expect((await stream.finalChatCompletion()).choices[0]?.message.content).toBe(one.choices[0]?.message.content)
  })

  test('counts one request and no tokens, and the ledger says what it saved', async () => {
    const yaml = `${PRICES}limits: { tokensPerDay: 5000 }\n`
    const bff = await startCacheBff(asAsked, { DAILY_QUOTA: '3' }, yaml)
    await bff.chat({}, CACHED)
    const second = await bff.chat({}, CACHED)
    const third = await bff.chat({ stream: true }, CACHED)
    await third.text()
    expect(second.headers.get('x-ratelimit-remaining-requests')).toBe('1')
    expect((await bff.chat({}, CACHED)).status).toBe(429)
    const usage = await (
      await fetch(`${bff.origin}/v1/usage`, { headers: { authorization: `Bearer ${BFF_KEY}` } })
    ).json()
    expect(await bff.metric('ferry_cache_requests_total{result="miss"}')).toBe(1)
    expect(await bff.metric('ferry_cache_stores_total{outcome="stored"}')).toBe(1)
    expect(await bff.metric('ferry_cache_stored_bytes_total')).toBeGreaterThan(50)
    const saved = await bff.metric('ferry_cache_saved_dollars_total')
    const [miss, ...hits] = await bff.ledger()
    expect(miss).toMatchObject({ cache: 'miss', outcome: 'completed', attempts: 1 })
    expect(miss?.costNanos).toBeGreaterThan(0)
    expect(hits).toHaveLength(2)
    for (const hit of hits) {
      expect(hit).toMatchObject({
        cache: 'hit',
        outcome: 'completed',
        attempts: 0,
        promptTokens: 0,
        completionTokens: 0,
      })
      expect(hit).toMatchObject({ costNanos: 0, savedNanos: miss?.costNanos, estimated: false, vendor: 'openai' })
    }
    expect(saved).toBeCloseTo(sum(hits.map(({ savedNanos }) => savedNanos ?? 0)) / 1e9, 12)
    expect(usage).toMatchObject({ data: [{ calls: 3, cache_hits: 2, saved_usd: saved }] })
  })

  test('is asked anew with no-cache, and not kept with no-store', async () => {
    const { chat, vendor } = await startCacheBff(asAsked, {}, 'keys: { app: { cache: true } }\n')
    const asking = async (control: string): Promise<string | null> =>
      cacheOf(await chat({}, { headers: { 'cache-control': control } }))
    expect(await asking('no-store')).toBeNull()
    expect(await asking('no-cache')).toBe('miss')
    expect(await asking('')).toBe('hit')
    expect(await asking('max-age=0')).toBe('miss')
    expect(await asking('No-Store, max-age=60')).toBeNull()
    expect(vendor.requests).toHaveLength(4)
  })

  test('is too old after its time, or after the caller’s', async () => {
    const { chat } = await startCacheBff(asAsked, {}, 'keys: { app: { cache: { ttlSeconds: 2 } } }\n')
    const asking = async (control = ''): Promise<string | null> =>
      cacheOf(await chat({}, { headers: { 'cache-control': control } }))
    expect(await asking()).toBe('miss')
    await new Promise((resolve) => setTimeout(resolve, 1200))
    expect(await asking('max-age=1')).toBe('miss')
    expect(await asking()).toBe('hit')
    await new Promise((resolve) => setTimeout(resolve, 2100))
    expect(await asking()).toBe('miss')
  })

  test('a max-age that is no number is refused by name', async () => {
    const { chat, vendor } = await startCacheBff()
    const refused = await chat({}, { headers: { 'cache-control': 'max-age=1h' } })
    expect(refused.status).toBe(400)
    expect(await errorOf(refused)).toMatchObject({ code: 'invalid_request', param: 'cache-control' })
    expect(vendor.requests).toHaveLength(0)
  })
})

describe('what is the same request', () => {
  test('only what changes the answer', async () => {
    const { chat, vendor } = await startCacheBff()
    await chat({ user: 'ann', temperature: 0.5 }, CACHED)
    for (const same of [{ user: 'bob' }, { metadata: { a: 'b' } }, { stream: true }, { n: null }]) {
      const answer = await chat({ temperature: 0.5, ...same }, CACHED)
      expect([same, cacheOf(answer)]).toEqual([same, 'hit'])
    }
    for (const other of [
      { temperature: 0.6 },
      { seed: 1 },
      { top_p: 0.5 },
      { messages: [{ role: 'user', content: 'x' }] },
      { unheard_of: 1 },
    ]) {
      const answer = await chat({ temperature: 0.5, ...other }, CACHED)
      expect([other, cacheOf(answer)]).toEqual([other, 'miss'])
    }
    expect((await chat({ temperature: 0.5, model: 'gpt-5-mini' }, CACHED)).headers.get('x-ferry-cache')).toBe('miss')
    expect(cacheOf(await chat({ temperature: 0.5, model: 'openai/gpt-5-mini' }, CACHED))).toBe('hit')
    expect(vendor.requests).toHaveLength(7)
  })

  test.each([
    { web_search_options: {} },
    { store: true },
    { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' } },
  ])('%j is never cached', async (field) => {
    const { chat, vendor, metric } = await startCacheBff()
    for (let i = 0; i < 2; i++) expect(cacheOf(await chat(field, CACHED))).toBeNull()
    expect(vendor.requests).toHaveLength(2)
    expect(await metric('ferry_cache_requests_total{result="unfit"}')).toBe(2)
  })

  test('another key’s, and another end user’s where users are kept apart, are not', async () => {
    const yaml = 'keys: { other: { cache: { scope: user } } }\n'
    const { chat, vendor } = await startCacheBff(asAsked, TWO_KEYS, yaml)
    await chat({}, CACHED)
    expect(cacheOf(await chat({}, CACHED))).toBe('hit')
    const as = async (user: string): Promise<string | null> =>
      cacheOf(await chat({}, { headers: { ...OTHER, 'x-ferry-user': user } }))
    expect(await as('ann')).toBe('miss')
    expect(await as('bob')).toBe('miss')
    expect(await as('ann')).toBe('hit')
    expect(vendor.requests).toHaveLength(3)
  })

  test('an alias that shares its answers does so for all keys; false forbids it for one', async () => {
    const yaml =
      'aliases: { faq: { targets: [openai/gpt-x], cache: { scope: shared } } }\n' +
      'keys: { closed: { cache: false } }\n'
    const keys = { BFF_KEYS: `${TWO_KEYS.BFF_KEYS},closed:closed-key-of-app-0123456789` }
    const { chat } = await startCacheBff(asAsked, keys, yaml)
    expect(cacheOf(await chat({ model: 'faq' }))).toBe('miss')
    expect(cacheOf(await chat({ model: 'faq' }, { headers: OTHER }))).toBe('hit')
    expect(cacheOf(await chat({ model: 'openai/gpt-x' }, CACHED))).toBe('miss')
    const closed = { authorization: 'Bearer closed-key-of-app-0123456789', ...CACHED.headers }
    expect(cacheOf(await chat({ model: 'faq' }, { headers: closed }))).toBeNull()
  })
})

const finished = (finish_reason: string, message: object = {}): Step[] =>
  json(200, {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-x',
    choices: [{ index: 0, message: { role: 'assistant', content: 'text', refusal: null, ...message }, finish_reason }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  })

const cutStream = (): Step[] => [streamHead(), ...streamEvents().slice(0, 3), lastChunk()]
const brokenStream = (): Step[] => [streamHead(), ...streamEvents().slice(0, 3), delay(20), reset()]
const filteredStream = (): Step[] => [
  streamHead(),
  chunk(
    'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}]}\n\n',
  ),
  chunk(
    'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}\n\ndata: [DONE]\n\n',
  ),
  lastChunk(),
]

describe('what is never kept', () => {
  test.each([
    ['an error', {}, () => json(400, { error: { message: 'no', type: 'invalid_request_error' } })],
    ['an overload', {}, () => json(503, { error: { message: 'busy', type: 'server_error' } })],
    ['an answer that a limit cut', {}, () => finished('length')],
    ['an answer that a filter took', {}, () => finished('content_filter')],
    ['a refusal', {}, () => finished('stop', { refusal: 'I will not', content: null })],
    ['a stream that ended without its end', { stream: true }, cutStream],
    ['a stream that broke', { stream: true }, brokenStream],
    ['a stream that a filter took', { stream: true }, filteredStream],
  ])('%s', async (_, body, steps) => {
    const { chat, vendor, metric } = await startCacheBff(steps)
    for (let i = 0; i < 2; i++) {
      const answer = await chat(body, CACHED)
      expect(cacheOf(answer)).not.toBe('hit')
      await answer.text()
    }
    expect(vendor.requests).toHaveLength(2)
    expect(await metric('ferry_cache_stores_total{outcome="stored"}')).toBe(0)
  })

  test('one whose caller left', async () => {
    const { chat, vendor } = await startCacheBff(() => [streamHead(), ...streamEvents().slice(0, 2), hang()])
    for (let i = 1; i <= 2; i++) {
      const leaving = new AbortController()
      const response = await chat({ stream: true }, { ...CACHED, signal: leaving.signal })
      await response.body?.getReader().read()
      leaving.abort()
      await eventually('the vendor’s call ends', () => vendor.requests[i - 1]?.closing !== undefined)
    }
    expect(vendor.requests).toHaveLength(2)
  })

  test('one that is too large', async () => {
    const noise = Array.from({ length: 400 }, () => crypto.randomUUID()).join(' ')
    const { chat, metric } = await startCacheBff(() => finished('stop', { content: noise }), {
      CACHE_MAX_ENTRY_BYTES: '4096',
    })
    for (let i = 0; i < 2; i++) expect(cacheOf(await chat({}, CACHED))).toBe('miss')
    expect(await metric('ferry_cache_stores_total{outcome="too_large"}')).toBe(2)
  })
})

describe('the same request while it is under way', () => {
  const slowly =
    (steps: (request: Parameters<typeof asAsked>[0]) => Step[]) =>
    (request: Parameters<typeof asAsked>[0]): Step[] => [delay(300), ...steps(request)]

  test.each([{}, { stream: true }])('%j: one call for 50 at once', async (body) => {
    const bff = await startCacheBff(slowly(asAsked))
    const answers = await Promise.all(Array.from({ length: 50 }, () => bff.chat(body, CACHED)))
    expect(answers.filter((answer) => cacheOf(answer) === 'hit')).toHaveLength(49)
    const texts = await Promise.all(answers.map((answer) => answer.text()))
    expect(texts.every((text) => text.length > 50)).toBe(true)
    expect(bff.vendor.requests).toHaveLength(1)
    expect(await bff.metric('ferry_cache_followers_total{outcome="shared"}')).toBe(49)
    const lines = await bff.ledger()
    expect(lines.filter(({ cache }) => cache === 'hit')).toHaveLength(49)
    expect(lines.filter(({ promptTokens }) => promptTokens > 0)).toHaveLength(1)
  })

  test('a first caller that leaves takes nobody along: the next one asks', async () => {
    const { chat, vendor } = await startCacheBff(slowly(asAsked))
    const leaving = new AbortController()
    const first = chat({}, { ...CACHED, signal: leaving.signal }).catch(() => 'left')
    await eventually('the first call is under way', () => vendor.requests.length === 1)
    const others = Array.from({ length: 10 }, () => chat({}, CACHED))
    await new Promise((resolve) => setTimeout(resolve, 100))
    leaving.abort()
    expect(await first).toBe('left')
    const answers = await Promise.all(others)
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect(answers.filter((answer) => cacheOf(answer) === 'hit')).toHaveLength(9)
    expect(vendor.requests).toHaveLength(2)
  })

  test('a first call that fails fails nobody else: each asks for itself', async () => {
    let calls = 0
    const { chat, vendor } = await startCacheBff((request) =>
      ++calls === 1
        ? [delay(200), ...json(400, { error: { message: 'no', type: 'invalid_request_error' } })]
        : asAsked(request),
    )
    const answers = await Promise.all(Array.from({ length: 5 }, () => chat({}, CACHED)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 400])
    expect(vendor.requests).toHaveLength(5)
  })

  test('a first stream that breaks in the middle fails nobody else', async () => {
    let calls = 0
    const { chat } = await startCacheBff(() => (++calls === 1 ? [delay(200), ...brokenStream()] : streamAnswer()))
    const texts = await Promise.all(
      Array.from({ length: 5 }, async () => (await chat({ stream: true }, CACHED)).text()),
    )
    expect(texts.filter((text) => text.endsWith('data: [DONE]\n\n'))).toHaveLength(4)
    expect(texts.filter((text) => text.includes('upstream_truncated'))).toHaveLength(1)
  })

  test('a caller that waits is bound by its own deadline', async () => {
    const { chat, vendor } = await startCacheBff(() => [delay(1500), ...plainAnswer()])
    const first = chat({}, CACHED)
    await eventually('the first call is under way', () => vendor.requests.length === 1)
    const started = performance.now()
    const second = await chat({}, { headers: { ...CACHED.headers, 'x-ferry-timeout-ms': '200' } })
    expect(second.status).toBe(504)
    expect(performance.now() - started).toBeLessThan(1200)
    expect((await first).status).toBe(200)
  })
})
