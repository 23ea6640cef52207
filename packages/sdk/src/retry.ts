import type { FerryError } from './errors.ts'

/** What decides about another attempt. */
export interface RetryState {
  readonly error: FerryError
  /** The server's own word, from `x-should-retry`. */
  readonly told: boolean | undefined
  /** Which retry it would be, from 1. */
  readonly retry: number
  /** Time left until the call's deadline, in ms. */
  readonly remainingMs: number
}

const LONGEST_ASKED_MS = 60_000
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 8_000

/**
 * How long to pause before another attempt, in ms; undefined when none is to be made.
 *
 * The server's word decides. Without it, an attempt is repeated after a connection that was never made, and after a
 * retryable status, but not after an answer that broke off: the vendor has billed that one. A pause of more than a
 * minute, or one beyond the deadline, is left to the caller, who finds it in `retryAfterMs`.
 */
export function retryPause({ error, told, retry, remainingMs }: RetryState): number | undefined {
  if (!(told ?? (error.isRetryable && error.code !== 'upstream_truncated'))) return undefined
  if ((error.retryAfterMs ?? 0) > LONGEST_ASKED_MS) return undefined
  const pause = error.retryAfterMs ?? backoff(retry)
  return pause < remainingMs ? pause : undefined
}

// A quarter of jitter, so that clients that failed together do not come back together.
function backoff(retry: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (retry - 1)) * (1 - Math.random() / 4)
}
