import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { createMemoryShelf, createStoreShelf, type Shelf } from '../../src/cache/shelf.ts'
import { answersWithin } from '../../src/store/index.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { parseRedisAddress } from '../../src/store/redis-address.ts'
import type { Store } from '../../src/store/store.ts'

let server: RedisServer
let redis: Redis
let store: Store
beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
  store = createRedisStore({
    address: parseRedisAddress(server.url),
    timeoutMs: 250,
    procedures: [],
    onError: () => {},
  })
  await answersWithin(store, 3000)
})
afterAll(async () => {
  redis.disconnect()
  await store.close()
  await server.stop()
})
beforeEach(() => redis.flushall())

const BOUNDS = { maxBytes: 100_000, maxEntryBytes: 1_000 }
const entry = (size = 900): Buffer => Buffer.alloc(size, 7)

describe.each<[string, () => Shelf]>([
  ['in memory', () => createMemoryShelf(BOUNDS)],
  ['beside counters', () => createStoreShelf(store, false, BOUNDS)],
  ['in a Redis of its own', () => createStoreShelf(store, true, BOUNDS)],
])('a shelf %s', (_, open) => {
  test('gives back what was put, until its time is over', async () => {
    const shelf = open()
    expect(await shelf.put('a', entry(), 80)).toBe('stored')
    expect(await shelf.get('a')).toEqual(entry())
    await sleep(120)
    expect(await shelf.get('a')).toBeUndefined()
  })

  test('takes nothing that is too large', async () => {
    expect(await open().put('a', entry(1_001), 1_000)).toBe('too_large')
    expect(await open().get('a')).toBeUndefined()
  })
})

test('in memory, the total is bounded and the latest stay', async () => {
  const shelf = createMemoryShelf(BOUNDS)
  for (let i = 0; i < 1_000; i++) await shelf.put(`n${i}`, entry(), 60_000)
  const held = await Promise.all(Array.from({ length: 1_000 }, (_, i) => shelf.get(`n${i}`)))
  expect(held.filter(Boolean).length).toBeLessThanOrEqual(100)
  expect(held.at(-1)).toBeDefined()
})

test('beside counters, 5,000 answers take no more places than the bound allows', async () => {
  const shelf = createStoreShelf(store, false, BOUNDS)
  await Promise.all(Array.from({ length: 5_000 }, (_, i) => shelf.put(`n${i}`, entry(1_000), 60_000)))
  const keys = await redis.keys('ferry:cache:*')
  expect(keys.length).toBeLessThanOrEqual(83)
  expect(keys.length).toBeGreaterThan(70)
  const sizes = await Promise.all(keys.map((key) => redis.strlen(key)))
  expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(BOUNDS.maxBytes)
  expect(await redis.pttl(keys[0]!)).toBeGreaterThan(0)
})
