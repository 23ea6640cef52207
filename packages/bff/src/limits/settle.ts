import { FIELD_END, fieldOf, type UsageSums } from '../ledger/usage-fields.ts'
import type { MemoryState } from '../store/memory-state.ts'
import type { Procedure, Reply } from '../store/store.ts'
import { LUA_NOW } from './lua.ts'
import { COUNTER_GRACE_MS } from './reserve.ts'

/** What a call's key holds when the call is over. An open one's value is longer than these. */
export const SETTLED = 's'
export const ABANDONED = 'a'

/** How long sums of a day are kept, in ms: three months. */
export const USAGE_TTL_MS: number = 92 * 86_400_000

const HEAD = 8
const PER_CHARGE = 4

/** Lua that adds to one of the day’s sums. */
export const LUA_ADD_TO_SUM: string = `local function addToSum(key, group, measure, amount)
      if amount ~= 0 then
        redis.call('HINCRBY', key, group .. measure .. '${FIELD_END}', string.format('%.0f', amount))
      end
    end`

/** What a settlement adds to the day's sums, and, where it corrects an abandoned call, what it takes out of them. */
export interface SumChange {
  readonly before?: UsageSums
  readonly after: UsageSums
}

/**
 * Puts what a call used in place of what was reserved for it, once, and writes it into the ledger.
 *
 * Keys: see `callKeys`; the windows are those of the reservation. Arguments: call id (empty: one that holds no lease and
 * has no record), ends of the minute, day and month, how long to remember that the call was settled in ms, `1` when the
 * record corrects an abandoned call, the record (empty: none), the number of counters; then for each counter its window (1 to 3), field,
 * what was reserved and what was used; then, where the call has a record, a {@link SumChange} as JSON. A call that the store does not know (it was admitted without it, or the store lost it) is charged in full.
 *
 * A counter is made only while its window lasts, and never by giving back.
 *
 * Reply: `settled`; `done` when it was settled before; `abandoned` when it must come again as a correction.
 */
export const SETTLE: Procedure = {
  name: 'ferrySettle',
  keyCount: 8,
  lua: `
    ${LUA_NOW}
    ${LUA_ADD_TO_SUM}
    local known, corrects = true, false
    if ARGV[1] ~= '' then
      known = redis.call('GET', KEYS[6])
      if known == '${SETTLED}' then return {'done'} end
      if known == '${ABANDONED}' and ARGV[6] ~= '1' then return {'abandoned'} end
      corrects = known == '${ABANDONED}'
      redis.call('ZREM', KEYS[4], ARGV[1])
      redis.call('ZREM', KEYS[5], ARGV[1])
      redis.call('SET', KEYS[6], '${SETTLED}', 'PX', ARGV[5])
      if ARGV[7] ~= '' then redis.call('XADD', KEYS[7], '*', 'record', ARGV[7]) end
    end
    local sumsAt = ${HEAD + 1} + ${PER_CHARGE} * tonumber(ARGV[8])
    for i = ${HEAD + 1}, sumsAt - 1, ${PER_CHARGE} do
      local w, field = tonumber(ARGV[i]), ARGV[i + 1]
      local change = tonumber(ARGV[i + 3])
      if known then change = change - tonumber(ARGV[i + 2]) end
      local windowEnd = tonumber(ARGV[1 + w])
      if change > 0 and now < windowEnd then
        redis.call('HINCRBY', KEYS[w], field, string.format('%.0f', change))
        if redis.call('PTTL', KEYS[w]) < 0 then
          redis.call('PEXPIREAT', KEYS[w], string.format('%.0f', windowEnd + ${COUNTER_GRACE_MS}))
        end
      elseif change < 0 then
        local used = tonumber(redis.call('HGET', KEYS[w], field) or '0')
        if used > 0 then redis.call('HSET', KEYS[w], field, string.format('%.0f', math.max(0, used + change))) end
      end
    end
    if ARGV[sumsAt] then
      local change = cjson.decode(ARGV[sumsAt])
      local function add(sums, sign)
        for _, group in ipairs(sums.groups) do
          for _, sum in ipairs(sums.amounts) do addToSum(KEYS[8], group, sum[1], sign * sum[2]) end
        end
      end
      add(change.after, 1)
      if corrects and change.before then add(change.before, -1) end
      if redis.call('PTTL', KEYS[8]) == -1 then redis.call('PEXPIRE', KEYS[8], ${USAGE_TTL_MS}) end
    end
    return {'settled'}`,
  local: settle,
}

function settle(state: MemoryState, keys: readonly string[], args: readonly string[], nowMs: number): Reply {
  const [callId = '', , , , memoryMs, , record = '', charges] = args
  const callKey = keys[5] ?? ''
  const known = callId === '' ? '' : state.text(callKey)
  if (known === SETTLED) return ['done']
  if (known === ABANDONED && args[5] !== '1') return ['abandoned']
  if (callId !== '') {
    endLease(state, keys, callId)
    state.set(callKey, SETTLED, Number(memoryMs))
    if (record !== '') state.append(keys[6] ?? '', record)
  }
  const sumsAt = HEAD + PER_CHARGE * Number(charges)
  for (let i = HEAD; i < sumsAt; i += PER_CHARGE) {
    const [window, field = '', reserved, used] = args.slice(i, i + PER_CHARGE)
    const change = Number(used) - (known === undefined ? 0 : Number(reserved))
    const counter = { key: keys[Number(window) - 1] ?? '', field, windowEnd: Number(args[Number(window)]) }
    adjust(state, counter, change, nowMs)
  }
  const text = args[sumsAt]
  if (text === undefined) return ['settled']
  const { before, after } = JSON.parse(text) as SumChange
  addToSums(state, keys[7] ?? '', after, 1, nowMs)
  if (known === ABANDONED && before) addToSums(state, keys[7] ?? '', before, -1, nowMs)
  return ['settled']
}

/** Adds to a day’s sums, or takes away from them. */
export function addToSums(
  state: MemoryState,
  key: string,
  { groups, amounts }: UsageSums,
  sign: 1 | -1,
  nowMs: number,
): void {
  for (const group of groups) {
    for (const [measure, amount] of amounts) addToSum(state, key, fieldOf(group, measure), sign * amount, nowMs)
  }
}

function endLease(state: MemoryState, [, , , streams = '', leases = '']: readonly string[], callId: string): void {
  for (const key of [streams, leases]) if (state.numbers(key)) state.ensureNumbers(key).delete(callId)
}

function addToSum(state: MemoryState, key: string, field: string, amount: number, nowMs: number): void {
  if (amount === 0) return
  const sums = state.ensureNumbers(key)
  sums.set(field, (sums.get(field) ?? 0) + amount)
  state.expireAt(key, nowMs + USAGE_TTL_MS)
}

interface Counter {
  readonly key: string
  readonly field: string
  readonly windowEnd: number
}

function adjust(state: MemoryState, { key, field, windowEnd }: Counter, change: number, nowMs: number): void {
  const used = state.numbers(key)?.get(field) ?? 0
  if (change > 0 && nowMs < windowEnd) {
    state.ensureNumbers(key).set(field, used + change)
    state.expireAt(key, windowEnd + COUNTER_GRACE_MS)
  } else if (change < 0 && used > 0) {
    state.ensureNumbers(key).set(field, Math.max(0, used + change))
  }
}
