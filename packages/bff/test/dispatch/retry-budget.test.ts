import { describe, expect, it, vi } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { afterBody } from '../../../../test/testkit/scripted-vendor.ts'
import { RetryBudgets } from '../../src/dispatch/retry-budget.ts'
import { json, plainAnswer, startTestBff } from '../support.ts'

// A rate limit says nothing of the model: no breaker opens for it.
const down = { error: { message: 'slow down', type: 'rate_limit_error', code: 'rate_limit_exceeded', param: null } }

const takeAll = (budgets: RetryBudgets, key: string): number => {
  let taken = 0
  while (budgets.take(key)) taken++
  return taken
}

describe('the budget of repeats', () => {
  it('is a share of a key’s calls above ten at first, and its own', () => {
    const onRefused = vi.fn()
    const budgets = new RetryBudgets(20, onRefused)
    expect(takeAll(budgets, 'a')).toBe(10)
    expect(onRefused).toHaveBeenCalledTimes(1)
    for (let i = 0; i < 100; i++) budgets.deposit('a')
    expect(takeAll(budgets, 'a')).toBeGreaterThanOrEqual(19)
    expect(takeAll(budgets, 'b')).toBe(10)
  })

  it('saves up no more than 200', () => {
    const budgets = new RetryBudgets(100)
    for (let i = 0; i < 1000; i++) budgets.deposit('a')
    expect(takeAll(budgets, 'a')).toBe(200)
  })

  it('comes back by ten a minute to a key that calls seldom', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const budgets = new RetryBudgets(20)
      takeAll(budgets, 'a')
      vi.advanceTimersByTime(30_000)
      expect(takeAll(budgets, 'a')).toBe(5)
      vi.advanceTimersByTime(3_600_000)
      expect(takeAll(budgets, 'a')).toBe(10)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('in an outage', () => {
  it('calls of a key are not multiplied, and the refused repeats are counted', async () => {
    const token = 'metrics-token-0123456789'
    const { chat, vendor, origin } = await startTestBff(
      afterBody(() => json(429, down, [['retry-after-ms', '1']])),
      { MAX_RETRIES: '1', RETRY_BUDGET_PERCENT: '0', METRICS_TOKEN: token },
    )
    await Promise.all(Array.from({ length: 30 }, () => chat().then((response) => response.text())))
    // Thirty calls, and ten repeats that a key always has.
    expect(vendor.requests.length).toBeGreaterThanOrEqual(40)
    expect(vendor.requests.length).toBeLessThanOrEqual(41)
    await eventually('the metric', async () => {
      const page = await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${token}` } })
      return /ferry_retry_budget_refusals_total (19|20)\n/.test(await page.text())
    })
  })

  it('a fallback to another target needs no budget', async () => {
    let calls = 0
    const { chat } = await startTestBff(
      afterBody((request) => {
        calls++
        return request.text.includes('"model":"a"') ? json(429, down) : plainAnswer()
      }),
      { RETRY_BUDGET_PERCENT: '0', RATE_LIMIT_RPM: '1000' },
      'aliases: { smart: [openai/a, second/b] }\n',
    )
    for (let i = 0; i < 15; i++) expect((await chat({ model: 'smart' })).status).toBe(200)
    expect(calls).toBe(30)
  })
})
