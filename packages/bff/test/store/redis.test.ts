import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { parseRedisAddress } from '../../src/store/redis-address.ts'
import { type Store, StoreUnavailable } from '../../src/store/store.ts'
import { addToo, addWithin, storeContract } from './contract.ts'

const TIMEOUT_MS = 150

let server: RedisServer
let store: Store

beforeAll(async () => {
  server = await startRedis()
  store = createRedisStore({
    address: parseRedisAddress(server.url),
    timeoutMs: TIMEOUT_MS,
    procedures: [addWithin, addToo],
    onError: () => {},
  })
})

afterAll(async () => {
  await store.close()
  await server.stop()
})

const fault = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'answered',
    (error: unknown) => (error instanceof StoreUnavailable ? error.fault : error),
  )

const answers = (): Promise<boolean> =>
  store.get('x').then(
    () => true,
    () => false,
  )

beforeEach(() => eventually('Redis answers', answers))

describe('the store in Redis', () => {
  storeContract(() => store)

  test('runs its scripts on a server that has forgotten them', async () => {
    await store.run(addWithin, ['{t}:flush'], ['1', '10'])
    await server.command('SCRIPT FLUSH')
    const replies = await Promise.all(Array.from({ length: 5 }, () => store.run(addWithin, ['{t}:flush'], ['1', '10'])))
    expect(replies.map(([, used]) => used).sort()).toEqual([2, 3, 4, 5, 6])
  })

  test('hands records over once, also when Redis goes before it hears that they were handled', async () => {
    await server.command('XADD {t}:records * record first')
    const seen: string[] = []
    const take = async (records: readonly string[]): Promise<void> => {
      seen.push(...records)
      if (seen.length > 1) return
      // Redis is not even asked once it has not answered.
      server.freeze()
      for (let tries = 0; tries < 10; tries++) await fault(store.get('x'))
    }
    expect(await fault(store.consume('{t}:records', 'one', take))).not.toBe('answered')
    server.thaw()
    await eventually('Redis answers', answers)
    await server.command('XADD {t}:records * record second')
    expect(await store.consume('{t}:records', 'one', take)).toBe(1)
    expect(seen).toEqual(['first', 'second'])
    // Nothing is left for others to take over.
    expect(await server.command('XPENDING {t}:records ferry')).toMatch(/^\*4\r\n:0/)
  })

  test('refuses a procedure that it was not told of', async () => {
    await expect(store.run({ ...addWithin, name: 'ferryLater' }, ['{t}:later'], ['1', '1'])).rejects.toThrow('not told')
  })

  test('says at once that there is no connection, and works again when there is', async () => {
    await server.halt('SIGKILL')
    await eventually('the lost connection is noticed', async () => !(await answers()))
    const started = performance.now()
    expect(await fault(store.run(addWithin, ['{t}:down'], ['1', '10']))).toBe('disconnected')
    expect(performance.now() - started).toBeLessThan(TIMEOUT_MS)
    await server.resume()
    await eventually('Redis answers again', answers)
    expect(await store.run(addWithin, ['{t}:down'], ['1', '10'])).toEqual(['added', 1])
  })

  test('waits no longer than the bound for a Redis that hangs, then stops waiting for a while', async () => {
    server.freeze()
    try {
      const started = performance.now()
      const faults = await Promise.all(Array.from({ length: 50 }, () => fault(store.get('x'))))
      expect(new Set(faults)).toEqual(new Set(['timeout']))
      expect(performance.now() - started).toBeLessThan(TIMEOUT_MS * 2)
      const again = performance.now()
      expect(await fault(store.get('x'))).toBe('timeout')
      expect(performance.now() - again).toBeLessThan(50)
    } finally {
      server.thaw()
    }
    await sleep(1000)
    await eventually('Redis answers again', answers)
  })

  test('takes a full Redis as one that is not there', async () => {
    await server.command('CONFIG SET maxmemory 1')
    try {
      expect(await fault(store.set('full', 'x', { ttlMs: 1000 }))).toBe('refused')
      expect(await fault(store.run(addWithin, ['{t}:full'], ['1', '10']))).toBe('refused')
    } finally {
      await server.command('CONFIG SET maxmemory 0')
    }
  })
})
