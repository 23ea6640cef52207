import { describe, expect, test } from 'vitest'
import { createPrices } from '../../src/ledger/prices.ts'

const usage = (prompt: number, completion: number, cached = 0, written = 0) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
})

describe('prices', () => {
  const prices = createPrices(
    new Map([
      ['openai/house-model', { input: 1, output: 2, cachedInput: 0.1 }],
      ['openai/gpt-4o', { input: 100, output: 100 }],
    ]),
  )
  const listed = createPrices(new Map())

  test('come from the data package, in billionths of a dollar', () => {
    expect(listed('openai', 'gpt-4o', usage(1000, 100))).toBe(3_500_000)
  })

  test('cached tokens cost what the vendor takes for them', () => {
    expect(listed('openai', 'gpt-4o', usage(1000, 100, 500))).toBe(2_875_000)
    expect(listed('anthropic', 'claude-opus-4-5', usage(1000, 100, 200, 300))).toBe(6_975_000)
  })

  test('a vendor’s parts that are more than its whole are cut to it', () => {
    expect(listed('openai', 'gpt-4o', usage(1000, 100, 5000, 5000))).toBe(
      listed('openai', 'gpt-4o', usage(1000, 100, 1000)),
    )
  })

  test('a long prompt costs its tier', () => {
    const short = listed('gemini', 'gemini-2.5-pro', usage(100_000, 0)) ?? 0
    expect(listed('gemini', 'gemini-2.5-pro', usage(300_000, 0))).toBeGreaterThan(short * 3)
  })

  test('a model that nobody knows has no price, and never 0', () => {
    expect(listed('openai', 'gpt-x', usage(1, 1))).toBeUndefined()
    expect(listed('nobody', 'gpt-4o', usage(1, 1))).toBeUndefined()
  })

  test('the configuration’s come first', () => {
    expect(prices('openai', 'house-model', usage(1_000_000, 1_000_000, 500_000))).toBe(2_550_000_000)
    expect(prices('openai', 'gpt-4o', usage(1_000_000, 0))).toBe(100_000_000_000)
  })

  test('made-up names do not pile up, and a known price is found fast', () => {
    for (let i = 0; i < 3000; i++) listed('openai', `made-up-${i}`, usage(1, 1))
    listed('openai', 'gpt-4o', usage(1, 1))
    const started = performance.now()
    for (let i = 0; i < 1000; i++) listed('openai', 'gpt-4o', usage(1000, 100))
    expect((performance.now() - started) / 1000).toBeLessThan(0.2)
  })
})
