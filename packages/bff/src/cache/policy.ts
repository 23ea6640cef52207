import { fields } from '@llm-ferry/kit'
import { z } from 'zod'
import { type CacheDirective, MAX_TTL_SECONDS } from './directive.ts'

/** Who shares an answer: one end user of a key, a key, or every key that calls the model or alias. */
export const CACHE_SCOPES = ['user', 'key', 'shared'] as const
export type CacheScope = (typeof CACHE_SCOPES)[number]

/** What the configuration says of a key, model or alias: answers are kept so, or never. */
export type CacheText = { readonly ttlSeconds: number; readonly scope?: CacheScope | undefined } | false

/** How long an answer is kept where nobody says. */
const DEFAULT_TTL_SECONDS = 3600

/** `true`, `false`, or how long and for whom. @param scopes that make sense there. */
function cacheSchema(scopes: readonly CacheScope[]): z.ZodType<CacheText> {
  const whole = fields({
    ttlSeconds: z.int().positive().max(MAX_TTL_SECONDS).default(DEFAULT_TTL_SECONDS),
    scope: z.enum(scopes).optional(),
  })
  return z.preprocess((value) => (value === true ? {} : value), z.union([z.literal(false), whole]))
}

/** `keys.NAME.cache`: a key cannot share what it does not own. */
export const keyCacheSchema: z.ZodType<CacheText> = cacheSchema(['user', 'key'])
/** `models.ID.cache`, `aliases.NAME.cache`. */
export const modelCacheSchema: z.ZodType<CacheText> = cacheSchema(CACHE_SCOPES)

/** How one call is cached. */
export interface CachePolicy {
  readonly ttlMs: number
  readonly scope: CacheScope
  /** Oldest answer that will do, in ms. */
  readonly maxAgeMs: number
  /** Whether an answer that is there is passed over. */
  readonly refresh: boolean
}

/**
 * Decides whether and how a call is cached; `undefined`: not at all.
 *
 * It is asked for by the model or alias, by the key, or by the caller’s `max-age`; a `false` of the configuration and the
 * caller’s `no-store` forbid it. The narrower of two scopes holds, except that a model or alias may widen the default.
 */
export function cachePolicy(
  key: CacheText | undefined,
  model: CacheText | undefined,
  { noStore, refresh, maxAgeMs }: CacheDirective,
): CachePolicy | undefined {
  if (key === false || model === false || noStore) return undefined
  const configured = model ?? key
  const ttlMs = configured ? configured.ttlSeconds * 1000 : maxAgeMs
  if (!ttlMs) return undefined
  return { ttlMs, scope: narrower(key?.scope, model?.scope), maxAgeMs: maxAgeMs || ttlMs, refresh }
}

function narrower(key: CacheScope | undefined, model: CacheScope | undefined): CacheScope {
  const asked = [key, model].filter((scope) => scope !== undefined)
  return CACHE_SCOPES.find((scope) => asked.includes(scope)) ?? 'key'
}
