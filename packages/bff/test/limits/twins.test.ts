import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { ABANDON, DUE, RENEW } from '../../src/limits/lease.ts'
import { PROCEDURES } from '../../src/limits/procedures.ts'
import { RESERVE } from '../../src/limits/reserve.ts'
import { SETTLE } from '../../src/limits/settle.ts'
import { answersWithin } from '../../src/store/index.ts'
import { MemoryState } from '../../src/store/memory-state.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { parseRedisAddress } from '../../src/store/redis-address.ts'
import type { Procedure, Reply, Store } from '../../src/store/store.ts'

interface Step {
  readonly procedure: Procedure
  readonly keys: readonly string[]
  readonly args: readonly string[]
}

const FAR = '9007199254740991'
/** Windows that every clock is in, and ones that none is in any more. */
const CURRENT = ['0', FAR, '0', FAR, '0', FAR]
const PAST = ['0', FAR, '0', '5', '0', FAR]
const LONG = '1000000000'
const OPEN = JSON.stringify({
  usage: '{p}:usage',
  record: 'abandoned',
  sums: {
    groups: ['["hour","9"', '["user","é\\ud800"'].map((group) => `${group},"`),
    amounts: [
      ['calls', 1],
      ['costNanos', 4_000_000_000],
    ],
  },
})

const windows = ['{p}:minute', '{p}:day', '{p}:month']
const callKeys = (id: string): string[] => [
  ...windows,
  '{p}:streams',
  '{p}:leases',
  `{p}:call:${id}`,
  '{p}:ledger',
  '{p}:usage',
]

const id = fc.constantFrom('a', 'b', 'c', '')
const field = fc.constantFrom('requests', 'tokens', 'requests:openai:ann', 'é:\n')
const window = fc.constantFrom('1', '2', '3')
const amount = fc.constantFrom('0', '1', '2', '7', '4000000000', '1000000000000')
const bit = fc.constantFrom('0', '1')
const lease = fc.constantFrom('-1', LONG)
const limit = fc.constantFrom('-1', '0', '3', '9', '5000000000')

/** A call counts in each counter once. */
const rulesOf = (last: fc.Arbitrary<string>): fc.Arbitrary<string[][]> =>
  fc.uniqueArray(fc.tuple(window, field, amount, last), { selector: ([w, name]) => w + name })

const reserve = fc
  .tuple(id, lease, bit, limit, fc.constantFrom(CURRENT, CURRENT, PAST), rulesOf(limit))
  .map(([call, leaseMs, stream, most, bounds, rules]): Step => {
    const args = [call, leaseMs, stream, most, call === '' ? '' : OPEN, ...bounds, ...rules.flat()]
    return { procedure: RESERVE, keys: callKeys(call).slice(0, 6), args }
  })
const groups = fc.uniqueArray(fc.constantFrom('["hour","9","', '["user","ann","', '["user","é\\ud800","'))
const amounts = fc.uniqueArray(
  fc.tuple(
    fc.constantFrom('calls', 'failed', 'costNanos'),
    fc.constantFrom(-1, 0, 1, 7, 4_000_000_000, 1_000_000_000_000),
  ),
  { selector: ([name]) => name },
)
const sums = fc.record({ groups, amounts })
const change = fc.option(fc.record({ before: sums, after: sums }, { requiredKeys: ['after'] }))
const settle = fc
  .tuple(id, fc.constantFrom([FAR, FAR, FAR], ['5', '5', FAR]), bit, rulesOf(amount), change)
  .map(([call, ends, corrects, charges, change]): Step => {
    const args = [call, ...ends, LONG, corrects, 'line', String(charges.length), ...charges.flat()]
    if (change) args.push(JSON.stringify(change))
    return { procedure: SETTLE, keys: callKeys(call), args }
  })
const renew = fc.tuple(id, lease, bit).map(
  ([call, leaseMs, stream]): Step => ({
    procedure: RENEW,
    keys: ['{p}:streams', '{p}:leases'],
    args: [call, leaseMs, stream],
  }),
)
const due = fc.constantFrom('1', '10').map((most): Step => ({ procedure: DUE, keys: ['{p}:leases'], args: [most] }))
const abandon = id.map(
  (call): Step => ({
    procedure: ABANDON,
    keys: ['{p}:leases', `{p}:call:${call}`, '{p}:ledger', '{p}:usage'],
    args: [call, LONG],
  }),
)

/** The clocks differ, and which of two leases that ended in the same ms is first. */
function comparable({ procedure }: Step, reply: Reply): unknown {
  if (procedure === DUE) return reply.length
  return procedure === RESERVE ? [reply[0], ...reply.slice(2)] : reply
}

describe('Lua and memory', () => {
  let server: RedisServer
  let store: Store
  let direct: Redis
  beforeAll(async () => {
    server = await startRedis()
    store = createRedisStore({
      address: parseRedisAddress(server.url),
      timeoutMs: 5000,
      procedures: PROCEDURES,
      onError: () => {},
    })
    await answersWithin(store, 5000)
    direct = new Redis(server.url)
  })
  afterAll(async () => {
    direct.disconnect()
    await store.close()
    await server.stop()
  })

  test('do the same, whatever is asked of them in whatever order', async () => {
    const steps = fc.array(
      fc.oneof({ arbitrary: reserve, weight: 4 }, { arbitrary: settle, weight: 3 }, renew, due, abandon),
      {
        maxLength: 25,
      },
    )
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        await direct.flushall()
        const state = new MemoryState()
        for (const step of sequence) {
          const now = Date.now()
          const twin = step.procedure.local(state.at(now), step.keys, step.args, now)
          const reply = await store.run(step.procedure, step.keys, step.args)
          expect(comparable(step, twin)).toEqual(comparable(step, reply))
        }
        for (const key of [...windows, '{p}:usage']) {
          const inMemory = Object.fromEntries([...(state.numbers(key) ?? [])].map(([name, n]) => [name, String(n)]))
          expect(inMemory).toEqual(await direct.hgetall(key))
        }
        expect(state.take('{p}:ledger', 100)).toHaveLength(await direct.xlen('{p}:ledger'))
      }),
      { numRuns: 300 },
    )
  }, 60_000)
})
