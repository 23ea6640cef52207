/**
 * How much a key may use. `undefined`: without limit.
 *
 * The first two count for each end user and vendor; the others for the key as a whole.
 */
export interface LimitPolicy {
  readonly requestsPerMinute: number | undefined
  readonly requestsPerDay: number | undefined
  readonly keyRequestsPerMinute: number | undefined
  readonly keyRequestsPerDay: number | undefined
  readonly tokensPerMinute: number | undefined
  readonly tokensPerDay: number | undefined
  /** In billionths of a US dollar. */
  readonly costNanosPerDay: number | undefined
  /** In billionths of a US dollar. */
  readonly costNanosPerMonth: number | undefined
  /** Streams open at once. */
  readonly streams: number | undefined
  /** Of one end user over all vendors, where a session token says so. */
  readonly userTokensPerMinute?: number | undefined
  readonly userTokensPerDay?: number | undefined
  /** In billionths of a US dollar. */
  readonly userCostNanosPerDay?: number | undefined
  /** In billionths of a US dollar. */
  readonly userCostNanosPerMonth?: number | undefined
}

/** What a call uses, or is expected to. */
export interface Amounts {
  readonly requests: number
  readonly tokens: number
  /** In billionths of a US dollar. */
  readonly costNanos: number
}

/** What a limit counts. */
export type LimitUnit = keyof Amounts | 'streams'

/** A limit’s name in metrics, errors and documents. */
export type LimitName =
  | 'requests_per_minute'
  | 'requests_per_day'
  | 'key_requests_per_minute'
  | 'key_requests_per_day'
  | 'tokens_per_minute'
  | 'tokens_per_day'
  | 'cost_per_day'
  | 'cost_per_month'
  | 'streams'
  | 'user_tokens_per_minute'
  | 'user_tokens_per_day'
  | 'user_cost_per_day'
  | 'user_cost_per_month'

/** Which of the three windows a counter belongs to: minute, day or month. */
export type WindowIndex = 0 | 1 | 2

/** One counter that a call adds to, and the limit that holds for it. */
export interface Rule {
  readonly name: LimitName
  readonly unit: keyof Amounts
  readonly window: WindowIndex
  /** Counter’s name within its window. */
  readonly field: string
  readonly limit: number | undefined
}

/** Counters of one end user at one vendor. */
export function userRules(policy: LimitPolicy, user: string, vendor: string): Rule[] {
  // No vendor's name has a colon, so no user can pass for another.
  const field = `requests:${vendor}:${user}`
  return [
    { name: 'requests_per_minute', unit: 'requests', window: 0, field, limit: policy.requestsPerMinute },
    { name: 'requests_per_day', unit: 'requests', window: 1, field, limit: policy.requestsPerDay },
  ]
}

/** Counters of one end user over all vendors: only where there is a limit. */
function sessionRules(policy: LimitPolicy, user: string): Rule[] {
  const [tokens, cost] = [`tokens:${user}`, `cost:${user}`]
  const rules: Rule[] = [
    { name: 'user_tokens_per_minute', unit: 'tokens', window: 0, field: tokens, limit: policy.userTokensPerMinute },
    { name: 'user_tokens_per_day', unit: 'tokens', window: 1, field: tokens, limit: policy.userTokensPerDay },
    { name: 'user_cost_per_day', unit: 'costNanos', window: 1, field: cost, limit: policy.userCostNanosPerDay },
    { name: 'user_cost_per_month', unit: 'costNanos', window: 2, field: cost, limit: policy.userCostNanosPerMonth },
  ]
  return rules.filter(({ limit }) => limit !== undefined)
}

/** All counters of a call. */
export function callRules(policy: LimitPolicy, user: string, vendor: string): Rule[] {
  return [...userRules(policy, user, vendor), ...sessionRules(policy, user), ...keyRules(policy)]
}

/** Whether any limit asks what a call costs. */
export const limitsCost = (policy: LimitPolicy): boolean =>
  policy.costNanosPerDay !== undefined ||
  policy.costNanosPerMonth !== undefined ||
  policy.userCostNanosPerDay !== undefined ||
  policy.userCostNanosPerMonth !== undefined

/** Whether any limit asks how many tokens a call takes. */
export const limitsTokens = (policy: LimitPolicy): boolean =>
  policy.tokensPerMinute !== undefined ||
  policy.tokensPerDay !== undefined ||
  policy.userTokensPerMinute !== undefined ||
  policy.userTokensPerDay !== undefined

/** Counters of the key as a whole. Those of days and months count without a limit too: one may be set at noon. */
function writeKeyRules(policy: LimitPolicy): readonly Rule[] {
  const rules: Rule[] = [
    {
      name: 'key_requests_per_minute',
      unit: 'requests',
      window: 0,
      field: 'requests',
      limit: policy.keyRequestsPerMinute,
    },
    { name: 'key_requests_per_day', unit: 'requests', window: 1, field: 'requests', limit: policy.keyRequestsPerDay },
    { name: 'tokens_per_minute', unit: 'tokens', window: 0, field: 'tokens', limit: policy.tokensPerMinute },
    { name: 'tokens_per_day', unit: 'tokens', window: 1, field: 'tokens', limit: policy.tokensPerDay },
    { name: 'cost_per_day', unit: 'costNanos', window: 1, field: 'cost', limit: policy.costNanosPerDay },
    { name: 'cost_per_month', unit: 'costNanos', window: 2, field: 'cost', limit: policy.costNanosPerMonth },
  ]
  return rules.filter(({ window, limit }) => window > 0 || limit !== undefined)
}

const written = new WeakMap<LimitPolicy, readonly Rule[]>()

/** The same objects for all calls under a policy: open streams hold theirs. */
function keyRules(policy: LimitPolicy): readonly Rule[] {
  const known = written.get(policy)
  if (known !== undefined) return known
  const made = writeKeyRules(policy)
  written.set(policy, made)
  return made
}
