import { fields } from '@llm-ferry/kit'
import { z } from 'zod'
import type { LimitPolicy } from './policy.ts'

const count = z.int().nonnegative()

/** Limits as the configuration file writes them. */
export interface LimitsText {
  readonly requestsPerMinute?: number | undefined
  readonly requestsPerDay?: number | undefined
  readonly keyRequestsPerMinute?: number | undefined
  readonly keyRequestsPerDay?: number | undefined
  readonly tokensPerMinute?: number | undefined
  readonly tokensPerDay?: number | undefined
  readonly usdPerDay?: number | undefined
  readonly usdPerMonth?: number | undefined
  readonly streams?: number | undefined
}

/** Limits of all keys, or of one. What is absent is inherited. */
export const limitsSchema: z.ZodType<LimitsText> = fields({
  requestsPerMinute: count.optional().describe('Requests a minute per end user and vendor. Default RATE_LIMIT_RPM.'),
  requestsPerDay: count.optional().describe('Requests a day per end user and vendor. Default DAILY_QUOTA.'),
  keyRequestsPerMinute: count.optional().describe('Requests a minute of a key. Default KEY_RATE_LIMIT_RPM.'),
  keyRequestsPerDay: count.optional().describe('Requests a day of a key. Default KEY_DAILY_QUOTA.'),
  tokensPerMinute: count.optional().describe('Tokens a minute of a key, prompt and answer. Default: any number.'),
  tokensPerDay: count.optional().describe('Tokens a day of a key. Default: any number.'),
  usdPerDay: z.number().nonnegative().optional().describe('US dollars a day of a key. Default: any number.'),
  usdPerMonth: z.number().nonnegative().optional().describe('US dollars a month of a key. Default: any number.'),
  streams: count.optional().describe('Streams of a key at once. Default: any number.'),
})

/** Limits with what the text says in place of what was there. */
function overridden(base: LimitPolicy, text: LimitsText | undefined): LimitPolicy {
  const { usdPerDay, usdPerMonth, ...counts } = text ?? {}
  const costs = { costNanosPerDay: nanos(usdPerDay), costNanosPerMonth: nanos(usdPerMonth) }
  const given = Object.entries({ ...counts, ...costs }).filter(([, value]) => value !== undefined)
  return { ...base, ...Object.fromEntries(given) }
}

const nanos = (usd: number | undefined): number | undefined => (usd === undefined ? undefined : Math.round(usd * 1e9))

/** The limits that hold for a key with limits of its own. */
export type PolicyOf = (own: LimitsText) => LimitPolicy

/** Limits of keys: those of the environment, then those for all keys, then the key's own. */
export function createPolicies(base: LimitPolicy, all: LimitsText | undefined): PolicyOf {
  const general = overridden(base, all)
  return (own) => overridden(general, own)
}
