import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import { type Cluster, counted, metric, nothingHeld, type Outcome, startCluster } from './support.ts'

let cluster: Cluster
afterEach(() => cluster?.stop())

const MANY = { DAILY_QUOTA: '1000000', KEY_DAILY_QUOTA: '1000000' }

/** Calls one after the other on each of some lanes, until told to stop. */
function load(lanes: number): { readonly answered: () => number; stop(): Promise<Outcome[]> } {
  const outcomes: Outcome[] = []
  let isOver = false
  const lane = async (n: number): Promise<void> => {
    while (!isOver) outcomes.push(await cluster.chat(n, 'answer', { user: `user-${n}` }))
  }
  const running = Array.from({ length: lanes }, (_, n) => lane(n))
  return {
    answered: () => outcomes.length,
    stop: async () => {
      isOver = true
      await Promise.all(running)
      return outcomes
    },
  }
}

describe('Redis stopped and started under load', () => {
  test('no call fails for it, and every call is in the ledger and counted, once', async () => {
    cluster = await startCluster(2, MANY)
    const running = load(16)
    // As many calls before, during and after it, however fast the machine is.
    const more = (): Promise<void> => {
      const wanted = running.answered() + 200
      return eventually('200 more calls are answered', () => running.answered() >= wanted, 20_000)
    }
    await more()
    await cluster.redis.halt('SIGKILL')
    await more()
    await cluster.redis.resume()
    await more()
    const outcomes = await running.stop()
    expect([...new Set(outcomes.map(({ status }) => status))]).toEqual([200])
    expect(outcomes.length).toBeGreaterThanOrEqual(600)
    const ids = (): Set<string> => new Set(cluster.records().map(({ id }) => id))
    await eventually('every call has its line', () => outcomes.every(({ id }) => ids().has(id)), 20_000)
    await eventually(
      'all are counted',
      async () => (await counted(cluster.direct, 'requests')) === outcomes.length,
      10_000,
    )
    expect(cluster.records()).toHaveLength(outcomes.length)
    for (const bff of cluster.bffs) {
      expect(await metric(bff, 'ferry_insured_calls_total')).toBeGreaterThan(0)
      expect(await metric(bff, 'ferry_waiting_settlements')).toBe(0)
    }
  }, 60_000)

  test('a Redis that hangs holds no call up for longer than the bound', async () => {
    const bound = 1000
    cluster = await startCluster(1, { ...MANY, REDIS_TIMEOUT_MS: String(bound) })
    const twenty = async (): Promise<number> => {
      const started = performance.now()
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => cluster.chat(0, 'answer')))
      expect(outcomes.every(({ status }) => status === 200)).toBe(true)
      return performance.now() - started
    }
    await twenty()
    const usual = await twenty()
    cluster.redis.freeze()
    const took = await twenty()
    const rested = await twenty()
    cluster.redis.thaw()
    // One wait, which is told apart from what the machine makes of it; and then none.
    expect(took).toBeGreaterThan(bound * 0.9)
    expect(took).toBeLessThan(bound * 1.5 + usual * 3)
    expect(rested).toBeLessThan(bound / 2 + usual * 3)
    await eventually('all are counted', async () => (await counted(cluster.direct, 'requests')) === 80, 10_000)
  })
})

describe('a process killed in the middle', () => {
  test('its calls are abandoned when their lease is over, and nothing else is unexplained', async () => {
    cluster = await startCluster(2, { ...MANY, CALL_LEASE_MS: '3000' })
    const streams = Array.from({ length: 100 }, (_, i) => cluster.chat(i, 'slow-stream'))
    await eventually('100 streams run', () => cluster.vendor.began.get('slow-stream') === 100, 20_000)
    cluster.bffs[1]?.signal('SIGKILL')
    const outcomes = await Promise.all(streams)
    await nothingHeld(cluster.direct, 30_000)
    await eventually('100 lines', () => cluster.records().length === 100, 20_000)
    const of = (outcome: string): number => cluster.records().filter((line) => line.outcome === outcome).length
    expect(of('completed')).toBe(50)
    expect(of('abandoned')).toBe(50)
    expect(await counted(cluster.direct, 'requests')).toBe(100)
    expect(outcomes.filter(({ text }) => text.includes('[DONE]'))).toHaveLength(50)
    expect(await metric(cluster.bffs[0]!, 'ferry_abandoned_calls_total')).toBe(50)
  }, 60_000)
})
