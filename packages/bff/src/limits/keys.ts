import type { Windows } from './calendar.ts'

/** Parts that all state is dealt out to, by key: few enough to be visited one by one, enough for a cluster. */
export const SHARDS = 16

/** Keys that every procedure of one BFF key shares a hash tag with. */
export function shardOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % SHARDS
}

const prefix = (shard: number): string => `ferry:{${shard}}`

/** Leases of all calls under way of a shard: call id → time at which the lease ends. */
export const leasesKey = (shard: number): string => `${prefix(shard)}:leases`

/** What is known of a call: that it is open, abandoned or settled. */
export const callKey = (shard: number, callId: string): string => `${prefix(shard)}:call:${callId}`

/** Records of a shard’s calls, in the order in which they ended. */
export const ledgerKey = (shard: number): string => `${prefix(shard)}:ledger`

/** The keys of a call with an Idempotency-Key: its record, and the mark that it was cancelled. */
export function idempotencyKeys(key: string, name: string): [record: string, mark: string] {
  const record = `${prefix(shardOf(key))}:idempotent:${name}`
  return [record, `${record}:cancelled`]
}

/** What a key used on a day, summed up. */
export const usageKey = (key: string, day: string): string => `${prefix(shardOf(key))}:usage:${key}:${day}`

/** Where the call stands in a call's keys. */
const CALL_AT = 5

/** The keys of the procedures about one call, in their order: three windows, streams, leases, the call, ledger, usage. */
export function callKeys(key: string, windows: Windows, callId: string): string[] {
  const keys = [...sharedKeys(key, windows)]
  keys[CALL_AT] += callId
  return keys
}

/** What {@link sharedKeys} has written for windows that calls still ask for. */
const written = new WeakMap<Windows, Map<string, readonly string[]>>()

/** The keys that all calls of a key have in the same windows, without the call’s id. */
function sharedKeys(key: string, windows: Windows): readonly string[] {
  let byKey = written.get(windows)
  if (byKey === undefined) {
    byKey = new Map()
    written.set(windows, byKey)
  }
  let keys = byKey.get(key)
  if (keys === undefined) {
    keys = writeKeys(key, windows)
    byKey.set(key, keys)
  }
  return keys
}

function writeKeys(key: string, [minute, day, month]: Windows): string[] {
  const shard = shardOf(key)
  const own = `${prefix(shard)}:key:${key}`
  return [
    `${own}:minute:${minute.name}`,
    `${own}:day:${day.name}`,
    `${own}:month:${month.name}`,
    `${own}:streams`,
    leasesKey(shard),
    callKey(shard, ''),
    ledgerKey(shard),
    usageKey(key, day.name),
  ]
}
