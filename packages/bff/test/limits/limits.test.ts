import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createRegistry, type Registry } from '@llm-ferry/kit'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { createCalendar } from '../../src/limits/calendar.ts'
import { type Admission, Limits, type OutagePolicy, type Used } from '../../src/limits/limits.ts'
import { PROCEDURES } from '../../src/limits/procedures.ts'
import { answersWithin } from '../../src/store/index.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { parseRedisAddress } from '../../src/store/redis-address.ts'
import type { Store } from '../../src/store/store.ts'
import { call, record } from './support.ts'

let server: RedisServer
let direct: Redis
let folder: string
let opened: { limits: Limits; store: Store; registry: Registry }[] = []

beforeAll(async () => {
  server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always'])
  direct = new Redis(server.url)
  direct.on('error', () => {})
})
afterAll(async () => {
  direct.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await direct.flushall()
  folder = mkdtempSync(join(tmpdir(), 'ferry-spool-'))
})
afterEach(async () => {
  for (const { limits, store } of opened) {
    await limits.close()
    await store.close()
  }
  opened = []
  rmSync(folder, { recursive: true, force: true })
})

/** The limits of one BFF process. */
async function open(outage: OutagePolicy = 'open', leaseMs = 60_000) {
  const store = createRedisStore({
    address: parseRedisAddress(server.url),
    timeoutMs: 300,
    procedures: PROCEDURES,
    onError: () => {},
  })
  await answersWithin(store, 5000)
  const registry = createRegistry()
  const log = createLogger('test', 'silent')
  const limits = new Limits({
    store,
    calendar: createCalendar('UTC'),
    outage,
    spoolFolder: folder,
    log,
    registry,
    leaseMs,
  })
  opened.push({ limits, store, registry })
  return { limits, registry, store }
}

/** All counters of the kind, over all days and keys. */
async function counted(field: string): Promise<number> {
  const keys = await direct.keys('ferry:*:day:*')
  const values = await Promise.all(keys.map((key) => direct.hget(key, field)))
  return values.reduce((sum, value) => sum + Number(value ?? 0), 0)
}

const used = (tokens: number, costNanos: number): Used => ({
  tokens,
  costNanos,
  record: record({ promptTokens: tokens, costNanos }),
})

const metric = async (registry: Registry, name: string): Promise<number> =>
  ((await registry.getSingleMetric(name)?.get())?.values ?? []).reduce((sum, { value }) => sum + value, 0)

describe('admission over several processes', () => {
  test('four processes share one quota to the call, and what is given back can be had again', async () => {
    const processes = await Promise.all([open(), open(), open(), open()])
    const one = call({ requestsPerDay: 100 })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 400 }, (_, i) => processes[i % 4]!.limits.admit({ ...one, id: `c${i}` })),
    )
    const admitted = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    expect(admitted).toHaveLength(100)
    for (const admission of admitted.slice(0, 30)) admission.release(record())
    await eventually('30 are given back', async () => (await counted('requests')) === 70)
    for (let i = 0; i < 30; i++) await processes[i % 4]!.limits.admit({ ...one, id: `d${i}` })
    await expect(processes[0]!.limits.admit({ ...one, id: 'e' })).rejects.toThrow('requests_per_day')
    expect(await metric(processes[0]!.registry, 'ferry_limit_refusals_total')).toBeGreaterThan(0)
  })

  test('settling or releasing twice, in whatever order, counts once', async () => {
    const { limits } = await open()
    const admission = await limits.admit(call({}, { tokens: 100 }))
    admission.settle(used(30, 5))
    admission.settle(used(99, 5))
    admission.release(record())
    await eventually('it is settled', async () => (await counted('tokens')) === 30)
    expect(await counted('requests')).toBe(1)
    expect(await counted('cost')).toBe(5)
  })

  test('a process that dies leaves its reservation charged, and no stream open', async () => {
    const dying = await open('open', 300)
    const other = await open('open', 300)
    const one = call({ streams: 1 }, { isStream: true, tokens: 50 })
    const lost = await dying.limits.admit(one)
    await expect(other.limits.admit({ ...one, id: 'x' })).rejects.toThrow('streams: 1')
    // What a dead process does: nothing more is renewed.
    await dying.limits.close()
    await eventually(
      'the lease is over',
      async () => (await metric(other.registry, 'ferry_abandoned_calls_total')) === 1,
    )
    expect(await counted('tokens')).toBe(50)
    expect(await direct.get(`ferry:{${await shardOfCall(one.id)}}:call:${one.id}`)).toBe('a')
    ;(await other.limits.admit({ ...one, id: 'y' })).release(record())
    // It was only asleep: its word still counts, once.
    lost.settle(used(20, 0))
    await eventually('the correction', async () => (await counted('tokens')) === 20)
  })

  test('leases are renewed while a call runs', async () => {
    const running = await open('open', 300)
    const other = await open('open', 300)
    await running.limits.admit(call({ streams: 1 }, { isStream: true }))
    await new Promise((resolve) => setTimeout(resolve, 900))
    expect(await metric(other.registry, 'ferry_abandoned_calls_total')).toBe(0)
    await expect(other.limits.admit(call({ streams: 1 }, { isStream: true }))).rejects.toThrow('streams: 1')
  })
})

async function shardOfCall(id: string): Promise<string> {
  const [key = ''] = await direct.keys(`ferry:*:call:${id}`)
  return /\{(\d+)\}/.exec(key)?.[1] ?? ''
}

describe('Redis trouble', () => {
  test('calls go on under this process’s own limits, and everything is counted afterwards', async () => {
    const { limits, registry } = await open()
    const one = call({ requestsPerDay: 10, tokensPerDay: 10_000 }, { tokens: 100 })
    const before: Admission[] = []
    for (let i = 0; i < 4; i++) before.push(await limits.admit({ ...one, id: `before${i}` }))
    await server.halt('SIGKILL')
    const during: Admission[] = []
    for (let i = 0; i < 10; i++) during.push(await limits.admit({ ...one, id: `during${i}` }))
    await expect(limits.admit({ ...one, id: 'over' })).rejects.toThrow('requests_per_day')
    for (const admission of [...before, ...during]) admission.settle(used(7, 3))
    await eventually('14 wait', async () => (await metric(registry, 'ferry_waiting_settlements')) === 14)
    await server.resume()
    await eventually('none waits', async () => (await metric(registry, 'ferry_waiting_settlements')) === 0)
    expect(await counted('requests')).toBe(14)
    expect(await counted('tokens')).toBe(14 * 7)
    expect(await counted('cost')).toBe(14 * 3)
    expect(await metric(registry, 'ferry_insured_calls_total')).toBe(10)
    expect(await metric(registry, 'ferry_store_faults_total')).toBeGreaterThan(0)
    expect(await metric(registry, 'ferry_lost_settlements_total')).toBe(0)
    expect(readdirSync(folder)).toEqual([])
    await expect(limits.admit({ ...one, id: 'after' })).rejects.toThrow('requests_per_day')
  })

  test('a settlement that Redis did but could not say so is not done twice', async () => {
    const { limits, registry } = await open()
    const admission = await limits.admit(call({}, { tokens: 100 }))
    server.freeze()
    admission.settle(used(40, 0))
    try {
      await eventually('it waits', async () => (await metric(registry, 'ferry_waiting_settlements')) === 1)
    } finally {
      server.thaw()
    }
    await eventually('none waits', async () => (await metric(registry, 'ferry_waiting_settlements')) === 0)
    expect(await counted('tokens')).toBe(40)
  })

  test('a call that Redis counted too late, and that was refused meanwhile, is given back', async () => {
    const { limits } = await open()
    const one = call({ requestsPerDay: 1 })
    server.freeze()
    const outcomes = await Promise.allSettled([1, 2, 3].map((n) => limits.admit({ ...one, id: `late${n}` })))
    server.thaw()
    const admitted = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    expect(admitted).toHaveLength(1)
    admitted[0]?.settle(used(3, 0))
    await eventually('nothing is held', async () => (await direct.keys('ferry:*:leases')).length === 0)
    await eventually('one is counted', async () => (await counted('tokens')) === 3)
    expect(await counted('requests')).toBe(1)
  })

  test('no call waits longer than the bound', async () => {
    const { limits } = await open()
    server.freeze()
    try {
      const started = performance.now()
      await Promise.all(Array.from({ length: 50 }, (_, i) => limits.admit(call({}, { id: `slow${i}` }))))
      expect(performance.now() - started).toBeLessThan(700)
    } finally {
      server.thaw()
    }
  })

  test('closed: nobody passes unchecked', async () => {
    const { limits } = await open('closed')
    await server.halt('SIGKILL')
    await expect(limits.admit(call({}))).rejects.toMatchObject({ code: 'overloaded', retryAfterMs: 1000 })
    await server.resume()
    await eventually('it is open again', () =>
      limits.admit(call({})).then(
        () => true,
        () => false,
      ),
    )
  })

  test('what a process that ended left in its file is settled by the next one; half a line is passed over', async () => {
    const first = await open()
    const one = call({}, { tokens: 10 })
    const admission = await first.limits.admit(one)
    await server.halt('SIGKILL')
    admission.settle(used(25, 0))
    await eventually('it is in the file', () => readdirSync(folder).length === 1)
    const [name = ''] = readdirSync(folder)
    const left = readFileSync(join(folder, name), 'utf8')
    await server.resume()
    await eventually('the first has done it', async () => (await counted('tokens')) === 25)

    await direct.flushall()
    writeFileSync(join(folder, 'settlements-gone-1-1.jsonl'), `${left}{"keys":["ferry`)
    utimesSync(join(folder, 'settlements-gone-1-1.jsonl'), 1, 1)
    await open()
    await eventually('the second has done it', async () => (await counted('tokens')) === 25)
    await eventually('the file is gone', () => readdirSync(folder).length === 0)
  })
})

describe('what an attacker may try', () => {
  test('10,000 user names a minute make no more counters than the key may make calls', async () => {
    const { limits } = await open()
    const one = call({ requestsPerMinute: 60, keyRequestsPerMinute: 600 })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10_000 }, (_, i) => limits.admit({ ...one, id: `u${i}`, user: `user-${i}` })),
    )
    // Two minutes, when the test meets the turn of one.
    const admitted = outcomes.filter(({ status }) => status === 'fulfilled').length
    expect([600, 1200]).toContain(admitted)
    const [day = ''] = await direct.keys('ferry:*:key:*:day:*')
    expect(await direct.hlen(day)).toBeLessThanOrEqual(admitted + 5)
  }, 30_000)

  test('a process whose clock is a day ahead counts in Redis’s day', async () => {
    const { limits } = await open()
    const [realNow, realPerformance] = [Date.now, performance.now.bind(performance)]
    performance.now = () => realPerformance() + 86_400_000
    try {
      await limits.admit(call({}))
    } finally {
      performance.now = realPerformance
    }
    const days = await direct.keys('ferry:*:day:*')
    expect(days).toEqual([expect.stringContaining(new Date(realNow()).toISOString().slice(0, 10))])
  })

  test('a give-back after the window is over makes no counter', async () => {
    const { limits } = await open()
    const admission = await limits.admit(call({}, { tokens: 5 }))
    await direct.del(await direct.keys('ferry:*:day:*'))
    admission.release(record())
    await eventually('it is settled', async () => (await direct.keys('ferry:*:leases')).length === 0)
    expect(await direct.keys('ferry:*:day:*')).toEqual([])
  })
})
