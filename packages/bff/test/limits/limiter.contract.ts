import { describe, expect, test } from 'vitest'
import { createCalendar } from '../../src/limits/calendar.ts'
import { Limiter } from '../../src/limits/limiter.ts'
import { LimitRefusal } from '../../src/limits/refusal.ts'
import { giveBackOf, settle, settlementOf } from '../../src/limits/settlement.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { call as anyCall, record } from './support.ts'

/** What limits do on every store. Times are real: the stores' clocks are. */
export function limiterContract(open: () => Store): void {
  const call: typeof anyCall = (policy, more) =>
    anyCall(policy, { key: `k${crypto.randomUUID().slice(0, 8)}`, ...more })
  const limiter = (): Limiter => new Limiter(open(), createCalendar('Asia/Shanghai'))
  const refused = (work: Promise<unknown>): Promise<LimitRefusal> =>
    work.then(
      () => Promise.reject(new Error('was let in')),
      (error: unknown) => (error instanceof LimitRefusal ? error : Promise.reject(error)),
    )

  describe('counting', () => {
    test('lets in exactly as many as the limit of 2,000 at once', async () => {
      const one = call({ requestsPerDay: 1000 })
      const limits = limiter()
      const asked = Array.from({ length: 2000 }, (_, i) => limits.reserve({ ...one, id: `${one.key}-${i}` }))
      const outcomes = await Promise.allSettled(asked)
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1000)
    })

    test('counts each end user and vendor alone, and the key over all of them', async () => {
      const one = call({ requestsPerMinute: 1, keyRequestsPerMinute: 3 })
      const limits = limiter()
      await limits.reserve(one)
      await limits.reserve({ ...one, user: 'bob' })
      await limits.reserve({ ...one, vendor: 'anthropic' })
      expect((await refused(limits.reserve(one))).refusedBy.name).toBe('requests_per_minute')
      expect((await refused(limits.reserve({ ...one, user: 'eve' }))).refusedBy.name).toBe('key_requests_per_minute')
    })

    test('no end user’s name passes for another’s counter', async () => {
      const one = call({ requestsPerMinute: 1, keyRequestsPerMinute: 100 })
      const limits = limiter()
      for (const user of ['a', 'a:b', 'openai:a', 'requests', '', '__proto__', 'a\n', '日本']) {
        await limits.reserve({ ...one, user })
      }
    })

    test('a refusal counts nothing, in no limit', async () => {
      const one = call({ requestsPerMinute: 5, keyRequestsPerMinute: 50, tokensPerDay: 100 }, { tokens: 60 })
      const limits = limiter()
      await limits.reserve(one)
      for (let i = 0; i < 10; i++) expect((await refused(limits.reserve(one))).refusedBy.name).toBe('tokens_per_day')
      const { allowances } = await limits.reserve({ ...one, expected: { requests: 1, tokens: 40, costNanos: 0 } })
      expect(allowances.map(({ name, remaining }) => [name, remaining])).toEqual([
        ['requests_per_minute', 3],
        ['key_requests_per_minute', 48],
        ['tokens_per_day', 0],
      ])
    })

    test('streams at once are counted until they are settled', async () => {
      const one = call({ streams: 2 }, { isStream: true })
      const [limits, store] = [limiter(), open()]
      const first = await limits.reserve({ ...one, id: `${one.key}-1` })
      await limits.reserve({ ...one, id: `${one.key}-2` })
      const error = await refused(limits.reserve({ ...one, id: `${one.key}-3` }))
      expect(error).toMatchObject({ code: 'rate_limit_exceeded', retryAfterMs: 1000 })
      await limits.reserve({ ...one, id: `${one.key}-4`, isStream: false })
      await settle(store, settlementOf(first, { requests: 1, tokens: 0, costNanos: 0 }, record(), 60_000))
      await limits.reserve({ ...one, id: `${one.key}-5` })
    })

    test('a stream whose lease is over counts no longer', async () => {
      const one = call({ streams: 1 }, { isStream: true })
      const limits = new Limiter(open(), createCalendar('UTC'), 30)
      await limits.reserve({ ...one, id: `${one.key}-1` })
      await expect
        .poll(() =>
          limits.reserve({ ...one, id: crypto.randomUUID() }).then(
            () => true,
            () => false,
          ),
        )
        .toBe(true)
    })
  })

  describe('settling', () => {
    test('puts what was used in place of what was reserved, once', async () => {
      const one = call({ tokensPerDay: 1000, costNanosPerMonth: 1000 }, { tokens: 500, costNanos: 900 })
      const [limits, store] = [limiter(), open()]
      const settlement = settlementOf(
        await limits.reserve(one),
        { requests: 1, tokens: 10, costNanos: 1000 },
        record(),
        60_000,
      )
      await settle(store, settlement)
      await settle(store, settlement)
      const error = await refused(limits.reserve({ ...one, expected: { requests: 1, tokens: 0, costNanos: 1 } }))
      expect(error.refusedBy).toMatchObject({ name: 'cost_per_month', remaining: 0 })
      expect(error.allowances.find(({ name }) => name === 'tokens_per_day')).toMatchObject({ remaining: 990 })
    })

    test('a call given back counts nowhere', async () => {
      const one = call({ requestsPerDay: 1, keyRequestsPerDay: 1, tokensPerDay: 100 }, { tokens: 100 })
      const [limits, store] = [limiter(), open()]
      for (let i = 0; i < 5; i++) {
        const reservation = await limits.reserve({ ...one, id: `${one.key}-${i}` })
        await settle(store, settlementOf(reservation, { requests: 0, tokens: 0, costNanos: 0 }, record(), 60_000))
      }
    })

    test('a call that the store does not know is charged in full, once', async () => {
      const one = call({ requestsPerDay: 1, tokensPerDay: 100 }, { tokens: 10 })
      // A store that has lost the call is as good as one that never had it.
      const elsewhere = new Limiter(createMemoryStore(), createCalendar('Asia/Shanghai'))
      const settlement = settlementOf(
        await elsewhere.reserve(one),
        { requests: 1, tokens: 70, costNanos: 0 },
        record(),
        60_000,
      )
      await settle(open(), settlement)
      await settle(open(), settlement)
      const error = await refused(limiter().reserve(one))
      expect(error.refusedBy).toMatchObject({ name: 'requests_per_day', remaining: 0 })
      expect(error.allowances.find(({ name }) => name === 'tokens_per_day')).toMatchObject({ remaining: 30 })
    })

    test('two vendors: the second is counted for the user alone', async () => {
      const one = call({ requestsPerMinute: 1, keyRequestsPerMinute: 1 })
      const [limits, store] = [limiter(), open()]
      await limits.reserve(one)
      const fallback = await limits.reserveVendor(one, 'anthropic')
      expect((await refused(limits.reserveVendor(one, 'anthropic'))).refusedBy.name).toBe('requests_per_minute')
      await settle(store, giveBackOf(fallback))
      await limits.reserveVendor(one, 'anthropic')
    })
  })

  describe('what a refusal says', () => {
    test('a day’s quota is not waited for', async () => {
      const one = call({ requestsPerDay: 1 })
      const limits = limiter()
      await limits.reserve(one)
      const error = await refused(limits.reserve(one))
      const soon = (error.refusedBy.resetMs ?? 0) <= 60_000
      expect(error.code).toBe(soon ? 'rate_limit_exceeded' : 'quota_exceeded')
      expect(error.retryAfterMs === undefined).toBe(!soon)
      expect(error.message).toMatch(/^requests_per_day: 1 requests a day .*, 0 left; the count starts anew in/)
    })

    test('a minute’s limit says how long to wait', async () => {
      const one = call({ requestsPerMinute: 1 })
      const limits = limiter()
      await limits.reserve(one)
      const error = await refused(limits.reserve(one))
      expect(error).toMatchObject({ code: 'rate_limit_exceeded', isRetryable: true, status: 429 })
      expect(error.retryAfterMs).toBeGreaterThan(0)
      expect(error.retryAfterMs).toBeLessThanOrEqual(60_000)
    })

    test('the limit that takes longest is the one that is told', async () => {
      const one = call({ requestsPerMinute: 1, requestsPerDay: 1 })
      const limits = limiter()
      await limits.reserve(one)
      expect((await refused(limits.reserve(one))).refusedBy.name).toBe('requests_per_day')
    })

    test('a call larger than its limit is told to shrink, not to wait', async () => {
      const error = await refused(limiter().reserve(call({ tokensPerMinute: 1000 }, { tokens: 50_000 })))
      expect(error).toMatchObject({ code: 'quota_exceeded', isRetryable: false, retryAfterMs: undefined })
      expect(error.message).toContain('ask for fewer output tokens')
    })
  })
}
