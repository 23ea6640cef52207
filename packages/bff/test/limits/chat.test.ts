import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { freePort } from '../../../../test/testkit/ports.ts'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { afterBody, delay, hang, reset, type Step } from '../../../../test/testkit/scripted-vendor.ts'
import {
  BFF_KEY,
  errorOf,
  json,
  plainAnswer,
  startTestBff,
  streamAnswer,
  streamEvents,
  streamHead,
  type TestBff,
} from '../support.ts'

let server: RedisServer
let redis: Redis

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})
beforeEach(() => redis.flushall())

const start = (steps: () => Step[], env: Record<string, string> = {}, yaml = ''): Promise<TestBff> => {
  const own = {
    REDIS_URL: server.url,
    SPOOL_DIR: mkdtempSync(join(tmpdir(), 'ferry-spool-')),
    MAX_RETRIES: '0',
    DRAIN_TIMEOUT_MS: '500',
  }
  return startTestBff(afterBody(steps), { ...own, ...env }, yaml)
}

/** A counter of today. */
async function counted(field: string): Promise<number> {
  const [key = ''] = await redis.keys('ferry:*:key:app:day:*')
  return Number((await redis.hget(key, field)) ?? 0)
}

/** Waits until the call holds nothing any more. */
const settled = (): Promise<void> =>
  eventually('it is settled', async () => (await redis.keys('ferry:*:leases')).length === 0)

const tokenLimits = 'limits: { tokensPerDay: 5000, tokensPerMinute: 5000 }\n'

describe('the chat under limits', () => {
  test('tells what is left, and refuses when nothing is', async () => {
    const { chat } = await start(plainAnswer, { RATE_LIMIT_RPM: '50', DAILY_QUOTA: '2', KEY_DAILY_QUOTA: '3' })
    const first = await chat()
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('2')
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1')
    expect(first.headers.get('x-ratelimit-reset-requests')).toMatch(/^\d+\.\d{3}s$/)
    await chat()
    const refused = await chat()
    expect(refused.status).toBe(429)
    expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0')
    const error = await errorOf(refused)
    expect(error).toMatchObject({
      type: 'rate_limit_error',
      limit: { name: 'requests_per_day', limit: 2, remaining: 0 },
    })
    if (error.code === 'quota_exceeded') {
      expect(refused.headers.get('x-should-retry')).toBe('false')
      expect(refused.headers.get('retry-after')).toBeNull()
    }
  })

  test('a minute’s limit says when to come back', async () => {
    const { chat } = await start(plainAnswer, { RATE_LIMIT_RPM: '1' })
    await chat()
    const refused = await chat()
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
    expect(refused.headers.get('x-should-retry')).toBeNull()
    expect(await errorOf(refused)).toMatchObject({ code: 'rate_limit_exceeded' })
  })

  test('OpenAI’s SDK does not repeat what a quota refused', async () => {
    const { origin, vendor, chat } = await start(plainAnswer, { DAILY_QUOTA: '1' })
    await chat()
    const client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: BFF_KEY, maxRetries: 5 })
    const started = performance.now()
    const request = { model: 'openai/gpt-x', messages: [{ role: 'user' as const, content: 'hi' }] }
    const error = await client.chat.completions.create(request).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OpenAI.RateLimitError)
    expect(performance.now() - started).toBeLessThan(2000)
    expect(vendor.requests).toHaveLength(1)
  })

  test('the body’s user, a header’s user and a second vendor have counts of their own', async () => {
    const { chat } = await start(plainAnswer, { RATE_LIMIT_RPM: '1' })
    expect((await chat({ user: 'ann' })).status).toBe(200)
    expect((await chat({ user: 'ann' })).status).toBe(429)
    expect((await chat({ user: 'bob' })).status).toBe(200)
    expect((await chat({ user: 'bob' }, { headers: { 'x-ferry-user': 'ann' } })).status).toBe(429)
    expect((await chat({ user: 'ann', model: 'second/gpt-x' })).status).toBe(200)
  })

  test.each([-1, 1.5, 0, '100', 1e300])('max_tokens %j counts nothing', async (max_tokens) => {
    const { chat } = await start(plainAnswer, {}, tokenLimits)
    expect((await chat({ max_tokens })).status).toBe(400)
    expect(await redis.keys('ferry:{[0-9]*')).toEqual([])
  })
})

test('a max_tokens far beyond all limits reserves no more than an answer usually takes', async () => {
  const { chat } = await start(() => [streamHead(), ...streamEvents().slice(0, 1), hang()], {}, tokenLimits)
  const leaving = new AbortController()
  const body = { stream: true, max_tokens: 1_000_000_000, n: 1 }
  expect((await chat(body, { signal: leaving.signal })).status).toBe(200)
  expect(await counted('tokens')).toBeLessThan(4_200)
  leaving.abort()
  await settled()
  expect((await chat(body, { signal: AbortSignal.timeout(200) }).catch(() => undefined))?.status).not.toBe(429)
})

describe('what a call is charged', () => {
  test('the vendor’s usage, in place of what was reserved', async () => {
    const { chat } = await start(plainAnswer, {}, tokenLimits)
    const { usage } = (await (await chat({ max_tokens: 4000 })).json()) as { usage: { total_tokens: number } }
    await settled()
    expect(await counted('tokens')).toBe(usage.total_tokens)
    expect((await chat({ max_tokens: 4000 })).status).toBe(200)
  })

  test('a stream’s usage, whether or not the caller asked for it', async () => {
    const { chat } = await start(streamAnswer)
    await (await chat({ stream: true })).text()
    await settled()
    const asked = await (await chat({ stream: true, stream_options: { include_usage: true } })).text()
    const [, total] = /"total_tokens":(\d+)/.exec(asked) ?? []
    await settled()
    expect(await counted('tokens')).toBe(Number(total) * 2)
  })

  test('what was received of a stream that broke off, and its prompt', async () => {
    const { chat, logLines } = await start(() => [streamHead(), ...streamEvents().slice(0, 3), delay(20), reset()])
    await (await chat({ stream: true })).text()
    await settled()
    const tokens = await counted('tokens')
    expect(tokens).toBeGreaterThan(4)
    expect(tokens).toBeLessThan(30)
    expect(logLines.join('')).toContain('upstream_truncated')
  })

  test('what was received when the caller left', async () => {
    const { chat } = await start(() => [streamHead(), ...streamEvents().slice(0, 3), hang()])
    const leaving = new AbortController()
    const response = await chat({ stream: true }, { signal: leaving.signal })
    await response.body?.getReader().read()
    leaving.abort()
    await settled()
    expect(await counted('tokens')).toBeGreaterThan(4)
    expect(await counted('requests')).toBe(1)
  })

  test('the request alone when the vendor answered with an error', async () => {
    const { chat } = await start(() => json(400, { error: { message: 'no', type: 'invalid_request_error' } }))
    expect((await chat()).status).toBe(400)
    await settled()
    expect(await counted('requests')).toBe(1)
    expect(await counted('tokens')).toBe(0)
  })

  test('nothing when no vendor was reached', async () => {
    const closed = `  gone: { dialect: openai, origin: "http://127.0.0.1:${await freePort()}", apiKey: none }\n`
    const { chat } = await start(plainAnswer, {}, closed)
    expect((await chat({ model: 'gone/x' })).status).toBe(502)
    await settled()
    expect(await counted('requests')).toBe(0)
    expect(await counted('requests:gone:app')).toBe(0)
  })

  test('nothing for a 400 of ours', async () => {
    const { chat } = await start(plainAnswer)
    expect((await chat({ messages: 'no' })).status).toBe(400)
    expect(await redis.keys('ferry:{[0-9]*')).toEqual([])
  })
})

describe('a fallback', () => {
  const aliases = (port: number): string =>
    `  gone: { dialect: openai, origin: "http://127.0.0.1:${port}", apiKey: none }\naliases: { both: [gone/x, second/gpt-x] }\n`

  test('is counted at its own vendor, once for the key', async () => {
    const { chat } = await start(plainAnswer, { MAX_RETRIES: '1' }, aliases(await freePort()))
    expect((await chat({ model: 'both' })).status).toBe(200)
    await settled()
    expect(await counted('requests')).toBe(1)
    expect(await counted('requests:second:app')).toBe(1)
  })

  test('whose vendor’s limit is reached is skipped', async () => {
    const env = { MAX_RETRIES: '1', RATE_LIMIT_RPM: '1' }
    const { chat, vendor } = await start(plainAnswer, env, aliases(await freePort()))
    expect((await chat({ model: 'second/gpt-x' })).status).toBe(200)
    expect((await chat({ model: 'both' })).status).toBe(502)
    expect(vendor.requests).toHaveLength(1)
  })
})

describe('streams at once', () => {
  test('are counted while they run', async () => {
    const yaml = 'keys: { app: { limits: { streams: 2 } } }\n'
    const { chat } = await start(() => [streamHead(), ...streamEvents().slice(0, 1), hang()], {}, yaml)
    const [first, others] = [new AbortController(), new AbortController()]
    await chat({ stream: true }, { signal: first.signal })
    await chat({ stream: true }, { signal: others.signal })
    const refused = await chat({ stream: true })
    expect(await errorOf(refused)).toMatchObject({ code: 'rate_limit_exceeded', limit: { name: 'streams', limit: 2 } })
    expect(refused.headers.get('retry-after')).toBe('1')
    first.abort()
    const next = async (): Promise<number> => (await chat({ stream: true }, { signal: others.signal })).status
    await eventually('there is room again', async () => (await next()) === 200)
    others.abort()
  })
})
