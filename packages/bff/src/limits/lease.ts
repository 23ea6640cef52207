import type { UsageSums } from '../ledger/usage-fields.ts'
import type { MemoryState } from '../store/memory-state.ts'
import type { Procedure, Reply } from '../store/store.ts'
import { LUA_NOW } from './lua.ts'
import { ABANDONED, addToSums, LUA_ADD_TO_SUM, SETTLED, USAGE_TTL_MS } from './settle.ts'

/**
 * Prolongs a call's lease, if it still has one.
 *
 * Keys: streams, leases. Arguments: call id, lease in ms, `1` for a stream. Reply: `renewed` or `lost`.
 */
export const RENEW: Procedure = {
  name: 'ferryRenew',
  keyCount: 2,
  lua: `
    ${LUA_NOW}
    if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return {'lost'} end
    local leaseEnd = string.format('%.0f', now + tonumber(ARGV[2]))
    redis.call('ZADD', KEYS[2], leaseEnd, ARGV[1])
    if ARGV[3] == '1' then redis.call('ZADD', KEYS[1], leaseEnd, ARGV[1]) end
    return {'renewed'}`,
  local: renew,
}

function renew(state: MemoryState, keys: readonly string[], args: readonly string[], nowMs: number): Reply {
  const [streamsKey = '', leasesKey = ''] = keys
  const [callId = '', leaseMs, isStream] = args
  if (!state.numbers(leasesKey)?.has(callId)) return ['lost']
  state.ensureNumbers(leasesKey).set(callId, nowMs + Number(leaseMs))
  if (isStream === '1') state.ensureNumbers(streamsKey).set(callId, nowMs + Number(leaseMs))
  return ['renewed']
}

/** Calls of a shard whose lease is over. Keys: leases. Arguments: at most how many. Reply: their ids. */
export const DUE: Procedure = {
  name: 'ferryDue',
  keyCount: 1,
  lua: `
    ${LUA_NOW}
    return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])`,
  local: (state, [leasesKey = ''], [most], nowMs) =>
    [...(state.numbers(leasesKey) ?? [])]
      .filter(([, end]) => end <= nowMs)
      .sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
      .slice(0, Number(most))
      .map(([id]) => id),
}

/** What is remembered of an open call, should its process go away. */
export interface OpenCall {
  /** Key of the day’s sums. */
  readonly usage: string
  /** The line for the ledger. */
  readonly record: string
  /** What it adds to which sums. */
  readonly sums: UsageSums
}

/**
 * Ends a call whose process went away: what was reserved stays charged, and stands in the ledger.
 *
 * Keys: leases, the call, ledger, usage. Arguments: call id, how long to remember it, in ms. Reply: `abandoned`, or `done`
 * when it was settled, or renewed meanwhile.
 */
export const ABANDON: Procedure = {
  name: 'ferryAbandon',
  keyCount: 4,
  lua: `
    ${LUA_NOW}
    ${LUA_ADD_TO_SUM}
    local leaseEnd = redis.call('ZSCORE', KEYS[1], ARGV[1])
    if not leaseEnd or tonumber(leaseEnd) > now then return {'done'} end
    redis.call('ZREM', KEYS[1], ARGV[1])
    local known = redis.call('GET', KEYS[2])
    if not known or known == '${SETTLED}' or known == '${ABANDONED}' then return {'done'} end
    local open = cjson.decode(known)
    redis.call('SET', KEYS[2], '${ABANDONED}', 'PX', ARGV[2])
    redis.call('XADD', KEYS[3], '*', 'record', open.record)
    for _, group in ipairs(open.sums.groups) do
      for _, sum in ipairs(open.sums.amounts) do addToSum(KEYS[4], group, sum[1], sum[2]) end
    end
    if redis.call('PTTL', KEYS[4]) == -1 then redis.call('PEXPIRE', KEYS[4], ${USAGE_TTL_MS}) end
    return {'abandoned'}`,
  local: abandon,
}

function abandon(
  state: MemoryState,
  keys: readonly string[],
  [callId = '', memoryMs]: readonly string[],
  nowMs: number,
): Reply {
  const [leasesKey = '', callKey = '', ledger = '', usage = ''] = keys
  const leaseEnd = state.numbers(leasesKey)?.get(callId)
  if (leaseEnd === undefined || leaseEnd > nowMs) return ['done']
  state.ensureNumbers(leasesKey).delete(callId)
  const known = state.text(callKey)
  if (known === undefined || known === SETTLED || known === ABANDONED) return ['done']
  const open = JSON.parse(known) as OpenCall
  state.set(callKey, ABANDONED, Number(memoryMs))
  state.append(ledger, open.record)
  addToSums(state, usage, open.sums, 1, nowMs)
  return ['abandoned']
}
