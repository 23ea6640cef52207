import { setTimeout as wait } from 'node:timers/promises'
import pRetry from 'p-retry'
import { ModelRests } from './breakers.ts'
import type { Deadline } from './deadline.ts'
import { mayRepeat, toFailure } from './failure.ts'
import { GivenUp } from './given-up.ts'

/** Bounds of one call's attempts. */
export interface RetryOptions {
  /** Attempts after the first, over all targets. */
  readonly maxRetries: number
  readonly deadline: Deadline
  /** Takes one repeat at the same target from the key's budget; false: it is used up. Default: there is no end of it. */
  readonly takeRepeat?: () => boolean
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

/** Which of a call's attempts this is. */
export interface AttemptPlace {
  /** From 1. */
  readonly number: number
  /** Whether another target follows, so that this one may be given up. */
  readonly hasNext: boolean
}

/**
 * Tries the targets in order until one answers: the next target at once, then the last one again after pauses.
 *
 * What may be repeated is decided by {@link mayRepeat} alone; an attempt that was given up is followed by the next target
 * only. A pause is never shorter than the vendor asked for, and no attempt follows a pause that outlasts the deadline. A
 * refusal that was given up is the answer after all when no other target has one.
 *
 * @throws {AttemptFailure} of the last attempt.
 */
export async function attemptTargets<Target, T>(
  targets: readonly [Target, ...Target[]],
  attempt: (target: Target, place: AttemptPlace) => Promise<T>,
  { maxRetries, deadline, takeRepeat = () => true, firstPauseMs = 1_000 }: RetryOptions,
): Promise<Attempted<Target, T>> {
  let attempts = 0
  let target = targets[0]
  let refused: Attempted<Target, T> | undefined
  const next = async (): Promise<T> => {
    target = targets[Math.min(attempts, targets.length - 1)] ?? target
    attempts++
    try {
      return await attempt(target, { number: attempts, hasNext: attempts < targets.length && attempts <= maxRetries })
    } catch (error) {
      if (error instanceof GivenUp && error.remains?.answer)
        refused ??= { value: error.remains.answer as T, target, attempts }
      throw toFailure(error)
    }
  }
  try {
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
        if (attempts > maxRetries || deadline.remainingMs() === 0) return false
        if (attempts < targets.length) return failure instanceof GivenUp || mayRepeat(failure)
        if (failure instanceof GivenUp || failure instanceof ModelRests || !mayRepeat(failure)) return false
        const wanted = Math.max(retryDelay, failure.error.retryAfterMs ?? 0)
        if (wanted >= deadline.remainingMs() || !takeRepeat()) return false
        if (wanted > retryDelay) await wait(wanted - retryDelay, undefined, { signal: deadline.signal })
        return true
      },
    })
    return { value, target, attempts }
  } catch (error) {
    if (refused === undefined || deadline.isAbandoned) throw error
    return { ...refused, attempts }
  }
}
