import { AttemptFailure, toFailure } from '../dispatch/failure.ts'
import type { CallAccount } from './account.ts'
import { LimitRefusal } from './refusal.ts'

/**
 * An attempt that is counted at its vendor first. A fallback whose vendor's limits refuse it is skipped: it fails as the
 * target before it did.
 */
export function counted<Target extends { readonly vendor: string }, T>(
  account: CallAccount,
  attempt: (target: Target) => Promise<T>,
): (target: Target) => Promise<T> {
  let last: AttemptFailure | undefined
  return async (target) => {
    try {
      await account.admitVendor(target.vendor)
      return await attempt(target)
    } catch (error) {
      if (error instanceof LimitRefusal) throw last ?? new AttemptFailure(error, 'unreached')
      last = toFailure(error)
      throw last
    }
  }
}
