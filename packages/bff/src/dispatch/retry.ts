import { setTimeout as wait } from 'node:timers/promises'
import pRetry from 'p-retry'
import { ModelRests } from './breakers.ts'
import type { Deadline } from './deadline.ts'
import { mayRepeat, toFailure } from './failure.ts'

/** Bounds of one call's attempts. */
export interface RetryOptions {
  /** Attempts after the first, over all targets. */
  readonly maxRetries: number
  readonly deadline: Deadline
  /** First pause in ms, before jitter; it doubles. Default 1000. */
  readonly firstPauseMs?: number
}

const LONGEST_PAUSE_MS = 10_000

/** What came of the attempts. */
export interface Attempted<Target, T> {
  readonly value: T
  readonly target: Target
  /** Attempts made, the successful one included. */
  readonly attempts: number
}

/**
 * Tries the targets in order until one answers: the next target at once, then the last one again after pauses.
 *
 * What may be repeated is decided by {@link mayRepeat} alone. A pause is never shorter than the vendor asked for, and no
 * attempt follows a pause that outlasts the deadline.
 *
 * @throws {AttemptFailure} of the last attempt.
 */
export async function attemptTargets<Target, T>(
  targets: readonly [Target, ...Target[]],
  attempt: (target: Target) => Promise<T>,
  { maxRetries, deadline, firstPauseMs = 1_000 }: RetryOptions,
): Promise<Attempted<Target, T>> {
  let attempts = 0
  let target = targets[0]
  const next = async (): Promise<T> => {
    target = targets[Math.min(attempts, targets.length - 1)] ?? target
    attempts++
    try {
      return await attempt(target)
    } catch (error) {
      throw toFailure(error)
    }
  }
  const value = await pRetry(next, {
    retries: maxRetries,
    minTimeout: firstPauseMs,
    factor: 2,
    maxTimeout: LONGEST_PAUSE_MS,
    randomize: true,
    signal: deadline.signal,
    // Another target needs no pause, and p-retry pauses only where a retry is consumed.
    shouldConsumeRetry: () => attempts >= targets.length,
    shouldRetry: async ({ error, retryDelay }) => {
      const failure = toFailure(error)
      const wanted = attempts < targets.length ? 0 : Math.max(retryDelay, failure.error.retryAfterMs ?? 0)
      if (failure instanceof ModelRests && attempts >= targets.length) return false
      if (attempts > maxRetries || !mayRepeat(failure) || wanted >= deadline.remainingMs()) return false
      if (wanted > retryDelay) await wait(wanted - retryDelay, undefined, { signal: deadline.signal })
      return true
    },
  })
  return { value, target, attempts }
}
