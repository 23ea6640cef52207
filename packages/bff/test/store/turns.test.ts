import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { answersWithin } from '../../src/store/index.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { parseRedisAddress } from '../../src/store/redis-address.ts'
import { type Procedure, type Store, StoreUnavailable } from '../../src/store/store.ts'

/** Gives back what it was called with. */
const echo: Procedure = {
  name: 'ferryTestEcho',
  keyCount: 2,
  lua: 'return {KEYS[1], KEYS[2], #ARGV, unpack(ARGV)}',
  local: () => [],
}

/** Notes that it ran, and fails for those that are told to. */
const note: Procedure = {
  name: 'ferryTestNote',
  keyCount: 1,
  lua: `if ARGV[2] then return redis.call(ARGV[2], KEYS[1]) end
    return {redis.call('RPUSH', KEYS[1], ARGV[1])}`,
  local: () => [],
}

let server: RedisServer
let store: Store

beforeAll(async () => {
  server = await startRedis()
  store = createRedisStore({
    address: parseRedisAddress(server.url),
    timeoutMs: 2000,
    procedures: [echo, note],
    onError: () => {},
  })
  await answersWithin(store, 2000)
})

afterAll(async () => {
  await store.close()
  await server.stop()
})

/** How many commands Redis has taken since it started, this one not. */
async function commands(): Promise<number> {
  const text = await server.command('INFO stats')
  return Number(/total_commands_processed:(\d+)/.exec(text)?.[1])
}

describe('procedures of one turn', () => {
  test('are one command for each hash tag, and 64 at most', async () => {
    const run = (tag: string, n: number) => store.run(note, [`{${tag}}:list`], [String(n)])
    await run('warm', 0)
    const before = await commands()
    await Promise.all([
      ...Array.from({ length: 70 }, (_, n) => run('a', n)),
      ...Array.from({ length: 5 }, (_, n) => run('b', n)),
    ])
    // Each RPUSH counts, three scripts, and the INFO before.
    expect((await commands()) - before).toBe(75 + 3 + 1)
  })

  test('are done in the order in which they were asked for', async () => {
    const replies = await Promise.all(Array.from({ length: 150 }, (_, n) => store.run(note, ['{o}:list'], [String(n)])))
    expect(replies).toEqual(Array.from({ length: 150 }, (_, n) => [n + 1]))
  })

  test('get their own keys, arguments and value, whatever is in them', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 12 })
    const key = text.map((end) => `{e}:${end}`)
    const call = fc.record({
      keys: fc.tuple(key, key),
      args: fc.array(text, { maxLength: 4 }),
      value: fc.option(fc.uint8Array({ maxLength: 9 })),
    })
    // Lone halves of surrogate pairs, which UTF-8 has no bytes for.
    const broken = { keys: ['{e}:x', '{e}:y'] as [string, string], args: ['\ud800', 'a\udc00b', '\u0000'], value: null }
    const calls = fc.array(call, { minLength: 1, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(calls, async (asked) => {
        const work = asked.map(({ keys, args, value }) =>
          store.run(echo, keys, args, value === null ? undefined : Buffer.from(value)),
        )
        const sent = asked.map(({ keys, args, value }) => {
          const all = value === null ? args : [...args, Buffer.from(value).toString()]
          return [...keys, all.length, ...all].map((each) => (typeof each === 'string' ? each.toWellFormed() : each))
        })
        expect(await Promise.all(work)).toEqual(sent)
      }),
      { examples: [[[broken]]], numRuns: 200 },
    )
  })

  test('fail each by itself', async () => {
    await server.command('SET {f}:text x')
    const run = (name: string, ...args: string[]) => store.run(note, [`{f}:${name}`], args)
    const [first, wrong, unknown, last] = await Promise.allSettled([
      run('list', '1'),
      run('text', '1'),
      run('list', '1', 'NOSUCHCOMMAND'),
      run('list', '2'),
    ])
    expect(first).toEqual({ status: 'fulfilled', value: [1] })
    expect(last).toEqual({ status: 'fulfilled', value: [2] })
    for (const failed of [wrong, unknown]) {
      const { reason } = failed as PromiseRejectedResult
      expect(reason).toBeInstanceOf(StoreUnavailable)
      expect(reason).toMatchObject({ fault: 'refused', mayHappen: false })
    }
    expect((wrong as PromiseRejectedResult).reason.message).toContain('WRONGTYPE')
  })

  test('all fail on a server that is no master any more, as one command does', async () => {
    await server.command('REPLICAOF 127.0.0.1 1')
    try {
      const run = store.run(note, ['{r}:list'], ['1'])
      await expect(run).rejects.toMatchObject({ fault: 'refused', message: expect.stringContaining('READONLY') })
    } finally {
      await server.command('REPLICAOF NO ONE')
    }
    await answersWithin(store, 2000)
    expect(await store.run(note, ['{r}:list'], ['1'])).toEqual([1])
  })
})
