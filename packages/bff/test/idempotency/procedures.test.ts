import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { CANCEL, CLAIM, FINISH, NOTE } from '../../src/idempotency/procedures.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { parseRedisAddress } from '../../src/store/redis-address.ts'
import type { Procedure, Store } from '../../src/store/store.ts'

let server: RedisServer
let redis: Store

beforeAll(async () => {
  server = await startRedis()
  const procedures = [CLAIM, NOTE, FINISH, CANCEL]
  redis = createRedisStore({
    address: parseRedisAddress(server.url),
    timeoutMs: 5000,
    procedures,
    onError: () => {},
  })
  for (let tries = 0; tries < 100; tries++) {
    const isThere = await redis.get('x').then(
      () => true,
      () => false,
    )
    if (isThere) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
})
afterAll(async () => {
  await redis.close()
  await server.stop()
})

type Step = readonly [procedure: Procedure, args: readonly string[], value?: Buffer | undefined]

const owner = fc.constantFrom('a:1', 'b:1', 'c:1')
/** A lease that is over at once, or not before the test. */
const lease = fc.constantFrom('0', '600000')
const phase = fc.constantFrom('', 'idle', 'exchange', 'direct')
const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(fc.constantFrom('body', 'other'), owner, lease)
    .map(([digest, by, ms]): Step => [CLAIM, [digest, by, ms, '600000']]),
  fc
    .tuple(owner, lease, phase)
    .map(([by, ms, at]): Step => [NOTE, [by, ms, '600000', at, at && `{"at":"${at}","text":"你好"}`]]),
  fc
    .tuple(owner, fc.constantFrom('', 'done', 'lost'), fc.option(fc.uint8Array({ minLength: 1 }), { nil: undefined }))
    .map(([by, ending, answer]): Step => {
      const value = ending === 'done' && answer ? Buffer.from(answer) : undefined
      return [FINISH, [by, ending, ending && '{"end":1}', '600000'], value]
    }),
  fc.constant<Step>([CANCEL, ['600000']]),
)

test('Redis and memory do the same, whatever is asked of them in whatever order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const memory = createMemoryStore()
      const key = `{test}:${randomUUID()}`
      const answer = `${key}:result`
      for (const [procedure, args, value] of steps) {
        const keys = [key, procedure === FINISH ? answer : `${key}:cancelled`].slice(0, procedure.keyCount)
        const [there, here] = [redis, memory].map((store) => store.run(procedure, keys, args, value))
        expect(await there).toEqual(await here)
        expect(await redis.get(answer)).toEqual(await memory.get(answer))
      }
    }),
    { numRuns: 60 },
  )
}, 60_000)

test('a call has one owner at a time: of all that claim at once, one may send', async () => {
  for (let round = 0; round < 20; round++) {
    const key = `{test}:${randomUUID()}`
    const keys = [key, `${key}:cancelled`]
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, i) => redis.run(CLAIM, keys, ['body', `p:${i}`, '600000', '600000'])),
    )
    expect(claims.filter(([word]) => word === 'claimed')).toHaveLength(1)
    expect(claims.filter(([word]) => word === 'running')).toHaveLength(9)
    const notes = await Promise.all(
      Array.from({ length: 10 }, (_, i) => redis.run(NOTE, [key], [`p:${i}`, '600000', '600000', 'exchange', '{}'])),
    )
    expect(notes.filter(([word]) => word === 'mine')).toHaveLength(1)
  }
})
