import { describe, expect, test } from 'vitest'
import { type Allowance, rateLimitHeaders } from '../../src/limits/allowance.ts'

const allowance = (more: Partial<Allowance>): Allowance => ({
  name: 'requests_per_minute',
  unit: 'requests',
  limit: 60,
  remaining: 59,
  resetMs: 12_345,
  ...more,
})

describe('x-ratelimit headers', () => {
  test('tell the limit that is met first, of requests and of tokens', () => {
    const day = allowance({ name: 'requests_per_day', limit: 1000, remaining: 3, resetMs: 3_600_000 })
    const tokens = allowance({ name: 'tokens_per_day', unit: 'tokens', limit: 500, remaining: 20, resetMs: 1000 })
    expect(rateLimitHeaders([allowance({}), day, tokens])).toEqual({
      'x-ratelimit-limit-requests': '1000',
      'x-ratelimit-remaining-requests': '3',
      'x-ratelimit-reset-requests': '3600.000s',
      'x-ratelimit-limit-tokens': '500',
      'x-ratelimit-remaining-tokens': '20',
      'x-ratelimit-reset-tokens': '1.000s',
    })
  })

  test('say nothing of what is not limited', () => {
    expect(rateLimitHeaders([])).toEqual({})
    expect(rateLimitHeaders([allowance({ unit: 'streams', name: 'streams', resetMs: undefined })])).toEqual({})
  })
})
