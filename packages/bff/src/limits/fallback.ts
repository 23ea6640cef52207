import { AttemptFailure, toFailure } from '../dispatch/failure.ts'
import { GivenUp } from '../dispatch/given-up.ts'
import type { AttemptPlace } from '../dispatch/retry.ts'
import type { CallAccount } from './account.ts'
import { LimitRefusal } from './refusal.ts'

/**
 * An attempt that is counted at its vendor first. A fallback whose vendor's limits refuse it is skipped: it fails as the
 * target before it did.
 */
export function counted<Target extends { readonly vendor: string; readonly model: string }, T>(
  account: CallAccount,
  attempt: (target: Target, place: AttemptPlace) => Promise<T>,
): (target: Target, place: AttemptPlace) => Promise<T> {
  let last: AttemptFailure | undefined
  return async (target, place) => {
    try {
      await account.admitVendor(target.vendor)
      return await attempt(target, place)
    } catch (error) {
      if (error instanceof LimitRefusal) throw last ?? new AttemptFailure(error, 'unreached')
      if (error instanceof GivenUp && error.remains) account.giveUp(target, error)
      last = toFailure(error)
      throw last
    }
  }
}
