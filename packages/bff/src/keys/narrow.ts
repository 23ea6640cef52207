import { FerryError } from '@llm-ferry/sdk'
import type { SessionLimits, SessionTokenRequest } from '@llm-ferry/sdk/schema'
import type { LimitPolicy } from '../limits/policy.ts'
import type { Key } from './key.ts'

const NANOS = 1e9

/** Limit of a token → that of its key, in the token's unit. */
const OF_KEY: Readonly<Record<keyof SessionLimits, (policy: LimitPolicy) => number | undefined>> = {
  requests_per_minute: (policy) => policy.requestsPerMinute,
  requests_per_day: (policy) => policy.requestsPerDay,
  tokens_per_minute: (policy) => policy.tokensPerMinute,
  tokens_per_day: (policy) => policy.tokensPerDay,
  usd_per_day: ({ costNanosPerDay }) => costNanosPerDay && costNanosPerDay / NANOS,
  usd_per_month: ({ costNanosPerMonth }) => costNanosPerMonth && costNanosPerMonth / NANOS,
}

/** @throws {FerryError} `invalid_request` naming the first field that asks for more than the key has. */
export function requireNarrower({ policy, access, record }: Key, asked: SessionTokenRequest): void {
  for (const [name, limit] of Object.entries(asked.limits ?? {}) as [keyof SessionLimits, number][]) {
    const most = OF_KEY[name](policy)
    if (most !== undefined && limit > most) throw wider(`limits.${name}`, `at most ${most}`)
  }
  asked.models?.forEach((id, i) => {
    const slash = id.indexOf('/')
    const model = id.slice(slash + 1)
    const isAllowed = access.allows(id.slice(0, slash), model === '*' ? undefined : model)
    if (!isAllowed) throw wider(`models[${i}]`, 'one of the key’s own models')
  })
  if (asked.native === 'full' && record.native !== 'full') throw wider('native', '`stateless`')
}

function wider(param: string, allowed: string): FerryError {
  const message = `\`${param}\`: is wider than the key’s own; a session token may have ${allowed}.`
  return new FerryError('invalid_request', message, { param })
}

/** The limits of a token’s calls: those of its end user, under those of the key, which stay the key’s. */
export function narrowedPolicy(policy: LimitPolicy, limits: SessionLimits): LimitPolicy {
  return {
    ...policy,
    requestsPerMinute: least(policy.requestsPerMinute, limits.requests_per_minute),
    requestsPerDay: least(policy.requestsPerDay, limits.requests_per_day),
    userTokensPerMinute: limits.tokens_per_minute,
    userTokensPerDay: limits.tokens_per_day,
    userCostNanosPerDay: nanos(limits.usd_per_day),
    userCostNanosPerMonth: nanos(limits.usd_per_month),
  }
}

const least = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)

const nanos = (usd: number | undefined): number | undefined => (usd === undefined ? undefined : Math.round(usd * NANOS))
