import { describe, expect, it } from 'vitest'
import { retryAfterMs } from '../../src/schema/retry-after.ts'

const T = Date.parse('2026-11-22T12:00:00Z')

describe('retryAfterMs', () => {
  const read = (headers: Record<string, string>): number | undefined => retryAfterMs((name) => headers[name], T)
  it('reads ms, seconds and dates', () => {
    expect(read({ 'retry-after-ms': '250', 'retry-after': '9' })).toBe(250)
    expect(read({ 'retry-after': '1.5' })).toBe(1500)
    expect(read({ 'retry-after': new Date(T + 30_000).toUTCString() })).toBe(30_000)
    expect(read({ 'retry-after': new Date(0).toUTCString() })).toBe(0)
    expect(read({ 'retry-after': 'soon' })).toBeUndefined()
    expect(read({})).toBeUndefined()
  })
})
