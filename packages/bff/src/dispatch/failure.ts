import { FerryError } from '@llm-ferry/sdk'

/**
 * Who made the error, as far as a retry needs to know:
 * - `unreached`: the vendor has certainly not seen the request;
 * - `vendor`: the vendor answered, and this is its answer;
 * - `unknown`: the vendor may have seen the request, and may bill it.
 */
export type FailureOrigin = 'unreached' | 'vendor' | 'unknown'

/** One attempt at one target that failed. */
export class AttemptFailure extends Error {
  override readonly name: string = 'AttemptFailure'
  readonly error: FerryError
  readonly origin: FailureOrigin

  constructor(error: FerryError, origin: FailureOrigin) {
    super(error.message, { cause: error })
    this.error = error
    this.origin = origin
  }
}

/** The failure as it is; anything else is a fault of ours after which nothing may be repeated. */
export function toFailure(thrown: unknown): AttemptFailure {
  if (thrown instanceof AttemptFailure) return thrown
  if (FerryError.is(thrown)) return new AttemptFailure(thrown, 'unknown')
  return new AttemptFailure(
    new FerryError('internal_error', 'An unexpected fault in the BFF', { cause: thrown }),
    'unknown',
  )
}

/**
 * Whether an attempt may be made again, at the same target or at the next one.
 *
 * Only two cases are safe, because everything else may be billed twice: the vendor has certainly not seen the request,
 * or the vendor itself answered with an error that another try may cure. A timeout after the request has left, a
 * connection that broke before the answer, and an answer that broke off are none of these. Asked only while the caller
 * has received no content.
 */
export function mayRepeat(failure: AttemptFailure): boolean {
  return failure.origin !== 'unknown' && failure.error.isRetryable
}
