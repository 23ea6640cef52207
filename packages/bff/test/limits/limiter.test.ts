import { afterAll, beforeAll, describe } from 'vitest'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { PROCEDURES } from '../../src/limits/procedures.ts'
import { answersWithin } from '../../src/store/index.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { parseRedisAddress } from '../../src/store/redis-address.ts'
import type { Store } from '../../src/store/store.ts'
import { limiterContract } from './limiter.contract.ts'

describe('limits in memory', () => {
  const store = createMemoryStore()
  limiterContract(() => store)
})

describe('limits in Redis', () => {
  let server: RedisServer
  let store: Store
  beforeAll(async () => {
    server = await startRedis()
    store = createRedisStore({
      address: parseRedisAddress(server.url),
      timeoutMs: 5000,
      procedures: PROCEDURES,
      onError: () => {},
    })
    await answersWithin(store, 5000)
  })
  afterAll(async () => {
    await store.close()
    await server.stop()
  })
  limiterContract(() => store)
})
