import type { MemoryState } from '../store/memory-state.ts'
import type { Procedure, Reply } from '../store/store.ts'
import { LUA_NOW } from './lua.ts'

/** How long counters outlive their window, in ms, for what is settled late. */
export const COUNTER_GRACE_MS = 3_600_000

/** Arguments before the rules: see {@link RESERVE}. */
const HEAD = 11
const PER_RULE = 4

/**
 * Decides all limits of a call at once and counts it, or counts nothing.
 *
 * Keys: see `callKeys`. Arguments: call id (empty: count only, hold no lease), lease in ms, `1` for a stream, most
 * streams at once (-1: any), what to remember of the open call; start and end of the minute, day and month; then for each
 * rule its window (1 to 3), field, amount and limit (-1: none).
 *
 * Reply: `moved` and the time, when the windows are not those of the store's clock; else `refused` or `admitted`, the
 * time, the streams open, and each rule's count.
 */
export const RESERVE: Procedure = {
  name: 'ferryReserve',
  keyCount: 6,
  lua: `
    ${LUA_NOW}
    for w = 0, 2 do
      if now < tonumber(ARGV[6 + 2 * w]) or now >= tonumber(ARGV[7 + 2 * w]) then return {'moved', now} end
    end
    local isStream, maxStreams = ARGV[3] == '1', tonumber(ARGV[4])
    local refused, streams = false, 0
    if isStream then
      redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
      streams = redis.call('ZCARD', KEYS[4])
      refused = maxStreams >= 0 and streams >= maxStreams
    end
    local counts = {}
    for i = ${HEAD + 1}, #ARGV, ${PER_RULE} do
      local used = tonumber(redis.call('HGET', KEYS[tonumber(ARGV[i])], ARGV[i + 1]) or '0')
      local limit = tonumber(ARGV[i + 3])
      if limit >= 0 and used + tonumber(ARGV[i + 2]) > limit then refused = true end
      counts[#counts + 1] = used
    end
    if refused then return {'refused', now, streams, unpack(counts)} end
    for i = ${HEAD + 1}, #ARGV, ${PER_RULE} do
      local w = tonumber(ARGV[i])
      if ARGV[i + 2] ~= '0' then
        counts[(i - ${HEAD + 1}) / ${PER_RULE} + 1] = redis.call('HINCRBY', KEYS[w], ARGV[i + 1], ARGV[i + 2])
        if redis.call('PTTL', KEYS[w]) < 0 then
          redis.call('PEXPIREAT', KEYS[w], string.format('%.0f', tonumber(ARGV[5 + 2 * w]) + ${COUNTER_GRACE_MS}))
        end
      end
    end
    if ARGV[1] ~= '' then
      local leaseEnd = string.format('%.0f', now + tonumber(ARGV[2]))
      redis.call('ZADD', KEYS[5], leaseEnd, ARGV[1])
      redis.call('SET', KEYS[6], ARGV[5])
      if isStream then
        redis.call('ZADD', KEYS[4], leaseEnd, ARGV[1])
        streams = streams + 1
      end
    end
    return {'admitted', now, streams, unpack(counts)}`,
  local: reserve,
}

interface LocalRule {
  readonly key: string
  readonly field: string
  readonly amount: number
  readonly limit: number
  readonly expiresAt: number
}

function reserve(state: MemoryState, keys: readonly string[], args: readonly string[], nowMs: number): Reply {
  if (!withinWindows(args, nowMs)) return ['moved', nowMs]
  const [callId = '', leaseMs, , maxStreams, open = ''] = args
  const isStream = args[2] === '1'
  const [, , , streamsKey = '', leasesKey = '', callKey = ''] = keys
  const rules = readRules(keys, args)
  const before = rules.map(({ key, field }) => state.numbers(key)?.get(field) ?? 0)
  const streams = isStream ? dropExpired(state, streamsKey, nowMs) : 0
  const full = isStream && Number(maxStreams) >= 0 && streams >= Number(maxStreams)
  if (full || rules.some(({ amount, limit }, i) => limit >= 0 && (before[i] ?? 0) + amount > limit)) {
    return ['refused', nowMs, streams, ...before]
  }
  const counts = rules.map((rule) => count(state, rule))
  if (callId === '') return ['admitted', nowMs, streams, ...counts]
  const leaseEnd = nowMs + Number(leaseMs)
  state.ensureNumbers(leasesKey).set(callId, leaseEnd)
  state.set(callKey, open, Number.POSITIVE_INFINITY)
  if (isStream) state.ensureNumbers(streamsKey).set(callId, leaseEnd)
  return ['admitted', nowMs, streams + (isStream ? 1 : 0), ...counts]
}

function withinWindows(args: readonly string[], nowMs: number): boolean {
  return [5, 7, 9].every((at) => nowMs >= Number(args[at]) && nowMs < Number(args[at + 1]))
}

function readRules(keys: readonly string[], args: readonly string[]): LocalRule[] {
  const rules: LocalRule[] = []
  for (let i = HEAD; i < args.length; i += PER_RULE) {
    const [window, field = '', amount, limit] = args.slice(i, i + PER_RULE)
    rules.push({
      key: keys[Number(window) - 1] ?? '',
      field,
      amount: Number(amount),
      limit: Number(limit),
      expiresAt: Number(args[4 + 2 * Number(window)]) + COUNTER_GRACE_MS,
    })
  }
  return rules
}

function count(state: MemoryState, { key, field, amount, expiresAt }: LocalRule): number {
  const now = (state.numbers(key)?.get(field) ?? 0) + amount
  if (amount === 0) return now
  state.ensureNumbers(key).set(field, now)
  state.expireAt(key, expiresAt)
  return now
}

function dropExpired(state: MemoryState, key: string, nowMs: number): number {
  const members = state.numbers(key)
  if (members === undefined) return 0
  const writable = state.ensureNumbers(key)
  for (const [member, end] of members) if (end <= nowMs) writable.delete(member)
  return writable.size
}
