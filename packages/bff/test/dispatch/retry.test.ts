import { FerryError } from '@llm-ferry/sdk'
import { describe, expect, it } from 'vitest'
import { Deadline } from '../../src/dispatch/deadline.ts'
import { AttemptFailure, type FailureOrigin, mayRepeat } from '../../src/dispatch/failure.ts'
import { attemptTargets } from '../../src/dispatch/retry.ts'

const never = new AbortController().signal
const failure = (
  code: 'overloaded' | 'vendor_overloaded' | 'invalid_request' | 'upstream_truncated',
  origin: FailureOrigin,
) => new AttemptFailure(new FerryError(code, code), origin)

const deadlineOf = (ms: number): Deadline => new Deadline(ms, never)

describe('what may be repeated', () => {
  it.each([
    ['the vendor’s own retryable error', failure('vendor_overloaded', 'vendor'), true],
    ['a request that the vendor has not seen', failure('overloaded', 'unreached'), true],
    ['an error that a repeat cannot cure', failure('invalid_request', 'vendor'), false],
    ['an answer that broke off', failure('upstream_truncated', 'unknown'), false],
    ['an overload that says nothing of the vendor', failure('overloaded', 'unknown'), false],
  ])('%s: %s', (_, thrown, expected) => {
    expect(mayRepeat(thrown)).toBe(expected)
  })
})

describe('attempts', () => {
  it('go through the targets at once, then repeat the last one after pauses', async () => {
    const seen: [string, number][] = []
    const startedAt = performance.now()
    const attempt = async (target: string): Promise<string> => {
      seen.push([target, performance.now() - startedAt])
      if (seen.length < 4) throw failure('vendor_overloaded', 'vendor')
      return 'answer'
    }
    const result = await attemptTargets(['a', 'b'], attempt, {
      maxRetries: 3,
      deadline: deadlineOf(5000),
      firstPauseMs: 40,
    })
    expect(result).toMatchObject({ value: 'answer', target: 'b', attempts: 4 })
    expect(seen.map(([target]) => target)).toEqual(['a', 'b', 'b', 'b'])
    expect(seen[1]?.[1]).toBeLessThan(30)
    expect((seen[2]?.[1] ?? 0) - (seen[1]?.[1] ?? 0)).toBeGreaterThanOrEqual(38)
    expect((seen[3]?.[1] ?? 0) - (seen[2]?.[1] ?? 0)).toBeGreaterThanOrEqual(78)
  })

  it.each([
    [0, 1],
    [1, 2],
    [3, 4],
  ])('with MAX_RETRIES %i are %i over all targets', async (maxRetries, expected) => {
    let attempts = 0
    const attempt = async (): Promise<never> => {
      attempts++
      throw failure('vendor_overloaded', 'vendor')
    }
    const call = attemptTargets(['a', 'b', 'c', 'd', 'e'], attempt, {
      maxRetries,
      deadline: deadlineOf(5000),
      firstPauseMs: 1,
    })
    await expect(call).rejects.toMatchObject({ error: { code: 'vendor_overloaded' } })
    expect(attempts).toBe(expected)
  })

  it('end with the deadline, also in a pause', async () => {
    const attempt = async (): Promise<never> => {
      throw failure('vendor_overloaded', 'vendor')
    }
    const startedAt = performance.now()
    const call = attemptTargets(['a'], attempt, { maxRetries: 9, deadline: deadlineOf(300), firstPauseMs: 100 })
    await expect(call).rejects.toThrow()
    expect(performance.now() - startedAt).toBeLessThan(400)
  })

  it('end at once when the caller leaves in a pause', async () => {
    const caller = new AbortController()
    const attempt = async (): Promise<never> => {
      throw failure('vendor_overloaded', 'vendor')
    }
    const deadline = new Deadline(5000, caller.signal)
    const call = attemptTargets(['a'], attempt, { maxRetries: 3, deadline, firstPauseMs: 2000 })
    setTimeout(() => caller.abort(new FerryError('client_closed', 'left')), 20)
    await expect(call).rejects.toMatchObject({ code: 'client_closed' })
  })

  it('turn a fault of ours into one error that is not repeated', async () => {
    const attempt = async (): Promise<never> => {
      throw new TypeError('fetch failed')
    }
    const call = attemptTargets(['a'], attempt, { maxRetries: 3, deadline: deadlineOf(5000) })
    await expect(call).rejects.toMatchObject({ error: { code: 'internal_error' }, origin: 'unknown' })
  })
})
