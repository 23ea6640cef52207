import { FerryError } from '@llm-ferry/sdk'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Caller } from '../context.ts'

/** What a limit leaves to its caller after a request was counted. */
export interface Allowance {
  readonly limit: number
  readonly remaining: number
  /** Time until the count starts anew, in ms. */
  readonly resetMs: number
}

/** A request that was counted. */
export interface Admission extends Allowance {
  /** Takes the count back: the vendor was certainly not reached. */
  giveBack(): Promise<void>
}

/** Counts requests a minute for each key, end user and vendor. */
export interface RequestRate {
  /** @throws {FerryError} `rate_limit_exceeded` with `retryAfterMs`. */
  admit(caller: Caller, vendor: string): Promise<Admission>
}

/** The counts live in this process: several BFF processes count each for itself. */
export function createRequestRate(requestsPerMinute: number): RequestRate {
  const limiter = new RateLimiterMemory({ points: requestsPerMinute, duration: 60 })
  return {
    async admit(caller, vendor) {
      const name = JSON.stringify([caller.key, caller.user, vendor])
      try {
        const counted = await limiter.consume(name)
        return {
          limit: requestsPerMinute,
          remaining: counted.remainingPoints,
          resetMs: counted.msBeforeNext,
          giveBack: async () => {
            await limiter.reward(name)
          },
        }
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused
        throw new FerryError(
          'rate_limit_exceeded',
          `More than ${requestsPerMinute} requests a minute to ${vendor}: wait ${Math.ceil(refused.msBeforeNext / 1000)} s`,
          { retryAfterMs: refused.msBeforeNext },
        )
      }
    },
  }
}
