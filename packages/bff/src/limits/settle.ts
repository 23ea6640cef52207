import type { MemoryState } from '../store/memory-state.ts'
import type { Procedure, Reply } from '../store/store.ts'
import { LUA_NOW } from './lua.ts'
import { COUNTER_GRACE_MS } from './reserve.ts'

/** What a call's key holds when the call is over. An open one's value is longer than these. */
export const SETTLED = 's'
export const ABANDONED = 'a'

const HEAD = 5
const PER_CHARGE = 4

/**
 * Puts what a call used in place of what was reserved for it, once.
 *
 * Keys: see `callKeys`; the windows are those of the reservation. Arguments: call id (empty: one that holds no lease),
 * ends of the minute, day and month, how long to remember that the call was settled, in ms; then for each counter its
 * window (1 to 3), field, what was reserved and what was used. A call that the store does not know (it was admitted without it, or the store lost it) is charged in full.
 *
 * A counter is made only while its window lasts, and never by giving back.
 *
 * Reply: `settled`, or `done` when it was settled before.
 */
export const SETTLE: Procedure = {
  name: 'ferrySettle',
  keyCount: 6,
  lua: `
    ${LUA_NOW}
    local known = true
    if ARGV[1] ~= '' then
      known = redis.call('GET', KEYS[6])
      if known == '${SETTLED}' then return {'done'} end
      redis.call('ZREM', KEYS[4], ARGV[1])
      redis.call('ZREM', KEYS[5], ARGV[1])
      redis.call('SET', KEYS[6], '${SETTLED}', 'PX', ARGV[5])
    end
    for i = ${HEAD + 1}, #ARGV, ${PER_CHARGE} do
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
    return {'settled'}`,
  local: settle,
}

function settle(state: MemoryState, keys: readonly string[], args: readonly string[], nowMs: number): Reply {
  const [callId = ''] = args
  const [, , , streamsKey = '', leasesKey = '', callKey = ''] = keys
  const known = callId === '' || state.text(callKey)
  if (known === SETTLED) return ['done']
  if (callId !== '') {
    if (state.numbers(streamsKey)) state.ensureNumbers(streamsKey).delete(callId)
    if (state.numbers(leasesKey)) state.ensureNumbers(leasesKey).delete(callId)
    state.set(callKey, SETTLED, Number(args[4]))
  }
  for (let i = HEAD; i < args.length; i += PER_CHARGE) {
    const [window, field = '', reserved, used] = args.slice(i, i + PER_CHARGE)
    const change = Number(used) - (known === undefined ? 0 : Number(reserved))
    const counter = { key: keys[Number(window) - 1] ?? '', field, windowEnd: Number(args[Number(window)]) }
    adjust(state, counter, change, nowMs)
  }
  return ['settled']
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
