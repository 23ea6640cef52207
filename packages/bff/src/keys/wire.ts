import type { ApiKey, KeyCache, KeyCreate, KeyUpdate } from '@llm-ferry/sdk/schema'
import { type CacheText, keyCacheSchema } from '../cache/policy.ts'
import type { LimitsText } from '../limits/policy-schema.ts'
import type { KeyRecord } from './key.ts'
import type { KeyRules } from './rules.ts'

type Changes = KeyCreate | KeyUpdate

/** A key's rules as the API writes them, over those that were there; null takes a rule away. */
export function rulesOf(changes: Changes, before: KeyRules): KeyRules {
  const { owner, models, vendors, ips, cache, expires_at } = changes
  const limits = changes.limits === undefined ? before.limits : fromWire(changes.limits ?? {})
  return {
    ...defined({
      owner: after(owner, before.owner),
      models: after(models, before.models),
      vendors: after(vendors, before.vendors),
      ips: after(ips, before.ips),
      expiresAt: after(expires_at, before.expiresAt),
      cache: after(fromWireCache(cache), before.cache),
    }),
    limits,
    tags: changes.tags === undefined ? before.tags : (changes.tags ?? []),
    labels: changes.labels === undefined ? before.labels : (changes.labels ?? {}),
    native: changes.native ?? before.native,
    keepReasoning: changes.keep_reasoning ?? before.keepReasoning,
    disabled: changes.disabled ?? before.disabled,
  }
}

const after = <T>(change: T | null | undefined, before: T | undefined): T | undefined =>
  change === undefined ? before : (change ?? undefined)

/** A key as the API shows it. @param secret the new one, in the answer that makes it. */
export function toWire(record: KeyRecord, secret?: string): ApiKey {
  const { id, name, source, owner, models, vendors, ips, limits, tags, labels, native, keepReasoning } = record
  const { cache, disabled } = record
  return {
    id,
    object: 'key',
    name,
    source,
    ...defined({ owner, models: list(models), vendors: list(vendors), ips: list(ips) }),
    limits: toWireLimits(limits),
    tags: [...tags],
    labels: { ...labels },
    native,
    keep_reasoning: keepReasoning,
    disabled,
    ...defined({ cache: toWireCache(cache) }),
    ...defined({ expires_at: record.expiresAt, created_at: record.createdAt, updated_at: record.updatedAt }),
    secrets: record.secrets.map(({ hint, createdAt, expiresAt }) =>
      defined({ hint, created_at: createdAt, expires_at: expiresAt }),
    ),
    ...defined({ secret }),
  }
}

const list = (items: readonly string[] | undefined): string[] | undefined => items && [...items]

/** A rule of the cache in the names of the configuration. */
function fromWireCache(cache: KeyCache | null | undefined): CacheText | null | undefined {
  if (typeof cache !== 'object' || cache === null) return cache === true ? keyCacheSchema.parse(true) : cache
  const { ttl_seconds: ttlSeconds, scope } = cache
  return keyCacheSchema.parse(defined({ ttlSeconds, scope }))
}

/** The same in the names of the API. */
function toWireCache(cache: CacheText | undefined): KeyCache | undefined {
  if (!cache) return cache
  const { ttlSeconds: ttl_seconds, scope } = cache
  // A key's rule never has the scope that only models and aliases may have.
  return { ttl_seconds, ...(scope !== undefined && scope !== 'shared' && { scope }) }
}

/** The limits in the names of the configuration. */
function fromWire(limits: Readonly<Record<string, number | undefined>>): LimitsText {
  return renamed(limits, (name) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()))
}

/** The limits in the names of the API. */
function toWireLimits(limits: LimitsText): Record<string, number> {
  return renamed(limits, (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
}

function renamed(limits: object, rename: (name: string) => string): Record<string, number> {
  const entries = Object.entries(limits).filter(([, limit]) => limit !== undefined)
  return Object.fromEntries(entries.map(([name, limit]) => [rename(name), limit as number]))
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>
}
