import { type AddressSet, addressSet } from '@llm-ferry/kit'
import type { LimitPolicy } from '../limits/policy.ts'
import type { PolicyOf } from '../limits/policy-schema.ts'
import { type Access, accessTo } from './access.ts'
import type { KeyRules } from './rules.ts'

/** Where a key comes from: BFF_KEYS, FERRY_CONFIG, or the admin API. */
export type KeySource = 'environment' | 'file' | 'api'

/** A key as it is written down, its secrets as digests alone. */
export interface KeyRecord extends KeyRules {
  /** What everything of the key is kept by, over renames and rotations. A configured key's is its name. */
  readonly id: string
  readonly name: string
  readonly source: KeySource
  readonly secrets: readonly KeySecret[]
  /** Changes when the session tokens minted so far are to be dead. */
  readonly generation: string
  /** ISO 8601; configured keys have none. */
  readonly createdAt?: string | undefined
  readonly updatedAt?: string | undefined
}

/** One of a key's secrets. */
export interface KeySecret {
  /** SHA-256, 64 hexadecimal digits. */
  readonly digest: string
  /** After a rotation: when it stops to be known, ISO 8601. */
  readonly expiresAt?: string | undefined
  /** Its last characters, to tell it from others. */
  readonly hint?: string | undefined
  readonly createdAt?: string | undefined
}

/** A key, made ready to judge requests by. */
export interface Key {
  readonly record: KeyRecord
  readonly policy: LimitPolicy
  readonly access: Access
  /** Where it may be used from; `undefined`: anywhere. */
  readonly addresses: AddressSet | undefined
  /** In ms since 1970. */
  readonly expiresAtMs: number
}

/** Makes a key ready, once for each change of it. */
export function readyKey(record: KeyRecord, policyOf: PolicyOf): Key {
  return {
    record,
    policy: policyOf(record.limits),
    access: accessTo(record),
    addresses: record.ips && addressSet(record.ips),
    expiresAtMs: timeOf(record.expiresAt),
  }
}

/** A moment in ms since 1970; none: never. */
export function timeOf(moment: string | undefined): number {
  return moment === undefined ? Number.POSITIVE_INFINITY : Date.parse(moment)
}
