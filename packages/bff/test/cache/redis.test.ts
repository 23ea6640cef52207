import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { delay } from '../../../../test/testkit/scripted-vendor.ts'
import { asAsked, CACHED, cacheOf, startCacheBff } from './support.ts'

let server: RedisServer
let redis: Redis
beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
  redis.on('error', () => {})
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})
beforeEach(() => redis.flushall())

const shared = (): Record<string, string> => ({ REDIS_URL: server.url })
const held = (): Promise<string[]> => redis.keys('ferry:cache:*')

describe('answers in Redis', () => {
  test('are found by every process, and outlive the one that got them', async () => {
    const [one, two] = [await startCacheBff(asAsked, shared()), await startCacheBff(asAsked, shared())]
    const first = await one.chat({ stream: true }, CACHED)
    const text = await first.text()
    await one.bff.stop()
    const again = await two.chat({ stream: true }, CACHED)
    expect(cacheOf(again)).toBe('hit')
    expect(await again.text()).toBe(text)
    expect(two.vendor.requests).toHaveLength(0)
  })

  test('hold neither the question nor the answer in clear, and expire', async () => {
    const { chat } = await startCacheBff(asAsked, shared())
    const answer = (await (await chat({}, CACHED)).json()) as { choices: { message: { content: string } }[] }
    const [key = '', ...others] = (await held()).filter((name) => !name.includes(':call:'))
    expect(others).toEqual([])
    const value = (await redis.getBuffer(key))!
    for (const secret of ['Say hello', answer.choices[0]!.message.content, 'chat.completion']) {
      expect(value.includes(secret)).toBe(false)
    }
    expect(await redis.pttl(key)).toBeGreaterThan(50_000)
    expect(await redis.pttl(key)).toBeLessThanOrEqual(60_000)
  })

  test('may be in a Redis of their own', async () => {
    const own = await startRedis([
      '--save',
      '',
      '--appendonly',
      'no',
      '--maxmemory',
      '20mb',
      '--maxmemory-policy',
      'allkeys-lru',
    ])
    try {
      const { chat } = await startCacheBff(asAsked, { ...shared(), REDIS_CACHE_URL: own.url })
      await eventually('it is a hit', async () => cacheOf(await chat({}, CACHED)) === 'hit')
      expect(await held()).toEqual([])
    } finally {
      await own.stop()
    }
  })

  test('a damaged entry, or another request’s in its place, is a miss', async () => {
    const { chat } = await startCacheBff(asAsked, shared())
    await chat({}, CACHED)
    const [key = ''] = (await held()).filter((name) => !name.includes(':call:'))
    await redis.set(key, 'nonsense')
    const answer = await chat({}, CACHED)
    expect([answer.status, cacheOf(answer)]).toEqual([200, 'miss'])
  })
})

describe('the same request at several processes', () => {
  const start = () => startCacheBff((request) => [delay(400), ...asAsked(request)], shared())

  test.each([{}, { stream: true }])('%j: one call for 40 at once at two processes', async (body) => {
    const bffs = [await start(), await start()]
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => bffs[i % 2]!.chat(body, CACHED)))
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(200))
    for (const answer of answers) expect((await answer.text()).length).toBeGreaterThan(50)
    expect(bffs[0]!.vendor.requests.length + bffs[1]!.vendor.requests.length).toBe(1)
    expect(answers.filter((answer) => cacheOf(answer) === 'hit')).toHaveLength(39)
  })

  test('a caller that leaves at one takes nobody along at the other', async () => {
    const [one, two] = [await start(), await start()]
    const leaving = new AbortController()
    const first = one.chat({}, { ...CACHED, signal: leaving.signal }).catch(() => 'left')
    await eventually('the first call is under way', () => one.vendor.requests.length === 1)
    const second = two.chat({}, CACHED)
    await sleep(100)
    expect(two.vendor.requests).toHaveLength(0)
    leaving.abort()
    await first
    expect((await second).status).toBe(200)
    expect(two.vendor.requests).toHaveLength(1)
  })

  test('a process that died holds the others up for no longer than its word', async () => {
    const { chat, vendor } = await startCacheBff(asAsked, shared())
    await chat({}, CACHED)
    const [claim = ''] = (await held()).filter((name) => name.includes(':call:'))
    expect(claim).not.toBe('')
    await redis.flushall()
    // What a process leaves behind that was killed just after it had asked.
    await redis.set(claim, 'r', 'PX', 700)
    const started = performance.now()
    expect((await chat({}, CACHED)).status).toBe(200)
    expect(performance.now() - started).toBeGreaterThan(500)
    expect(vendor.requests).toHaveLength(2)
  })
})

describe('Redis in trouble', () => {
  test('is a miss, and no call waits for it longer than the bound', async () => {
    const own = await startRedis()
    const { chat, vendor, metric } = await startCacheBff(asAsked, { REDIS_CACHE_URL: own.url, REDIS_TIMEOUT_MS: '200' })
    try {
      await eventually('it is a hit', async () => cacheOf(await chat({}, CACHED)) === 'hit')
      own.freeze()
      const before = vendor.requests.length
      const started = performance.now()
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => chat({ seed: i }, CACHED)))
      // A look, a claim and a put at most, 200 ms each, and then nobody waits.
      expect(performance.now() - started).toBeLessThan(2_000)
      expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
      expect(answers.every((answer) => cacheOf(answer) === 'miss')).toBe(true)
      expect(vendor.requests.length - before).toBe(20)
      expect(await metric('ferry_cache_stores_total{outcome="failed"}')).toBeGreaterThan(0)
    } finally {
      own.thaw()
      await own.stop()
    }
    const gone = await chat({ seed: 99 }, CACHED)
    expect([gone.status, cacheOf(gone)]).toEqual([200, 'miss'])
  })

  test('a full Redis takes no answer, and calls go on', async () => {
    const own = await startRedis()
    const { chat } = await startCacheBff(asAsked, { REDIS_CACHE_URL: own.url })
    try {
      await eventually('it is a hit', async () => cacheOf(await chat({}, CACHED)) === 'hit')
      await own.command('CONFIG SET maxmemory 1')
      for (let i = 0; i < 2; i++) {
        const answer = await chat({ seed: 7 }, CACHED)
        expect([answer.status, cacheOf(answer)]).toEqual([200, 'miss'])
      }
    } finally {
      await own.stop()
    }
  })

  test('is no reason not to start', async () => {
    const { chat } = await startCacheBff(asAsked, { REDIS_CACHE_URL: 'redis://127.0.0.1:1' })
    expect((await chat({}, CACHED)).status).toBe(200)
  })
})
