import { LUA_NOW } from '../limits/lua.ts'
import type { MemoryState } from '../store/memory-state.ts'
import type { Procedure, Reply } from '../store/store.ts'

/** How far a running call is: `idle` (the vendor has nothing of it), at a relay, or at a vendor that is called directly. */
export type Phase = 'idle' | 'exchange' | 'direct'

/** How a call is over. `done`: its answer is stored. `lost`: it may have been billed, and its answer is not to be had. */
export type Ending = 'done' | 'lost' | 'cancelled'

interface StoredCall {
  digest: string
  owner: string
  /** The store's time until which the owner counts as living, as a decimal. */
  leaseEnd: string
  state: 'running' | Ending
  phase: Phase
  /** What a process that takes the call over must know. */
  call: string
}

const read = (text: string): StoredCall => JSON.parse(text) as StoredCall

/**
 * Begins a call, or says what became of it.
 *
 * Keys: the call, the mark of its cancel. Arguments: digest, owner, lease in ms, life of the record in ms. Reply: `claimed`;
 * `taken` with phase and call, from now on the new owner's; `running`, for a call that only its owner can answer;
 * `done` with the call; `lost`; `cancelled`; `mismatch`.
 */
export const CLAIM: Procedure = {
  name: 'ferryClaim',
  keyCount: 2,
  lua: `
    ${LUA_NOW}
    if redis.call('EXISTS', KEYS[2]) == 1 then return {'cancelled'} end
    local text = redis.call('GET', KEYS[1])
    local leaseEnd = string.format('%.0f', now + tonumber(ARGV[3]))
    if not text then
      local made = {digest = ARGV[1], owner = ARGV[2], leaseEnd = leaseEnd, state = 'running', phase = 'idle', call = ''}
      redis.call('SET', KEYS[1], cjson.encode(made), 'PX', ARGV[4])
      return {'claimed'}
    end
    local known = cjson.decode(text)
    if known.digest ~= ARGV[1] then return {'mismatch'} end
    if known.state ~= 'running' then return {known.state, known.phase, known.call} end
    local dead = tonumber(known.leaseEnd) <= now
    if known.phase == 'exchange' or (known.phase == 'idle' and dead) then
      known.owner, known.leaseEnd = ARGV[2], leaseEnd
      redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ARGV[4])
      return {'taken', known.phase, known.call}
    end
    if not dead then return {'running'} end
    known.state = 'lost'
    redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ARGV[4])
    return {'lost', known.phase, known.call}`,
  local: claim,
}

function claim(state: MemoryState, keys: readonly string[], args: readonly string[], nowMs: number): Reply {
  const [callKey = '', mark = ''] = keys
  const [digest = '', owner = '', leaseMs, lifeMs] = args
  if (state.text(mark) !== undefined) return ['cancelled']
  const text = state.text(callKey)
  const leaseEnd = String(nowMs + Number(leaseMs))
  const write = (call: StoredCall): void => state.set(callKey, JSON.stringify(call), Number(lifeMs))
  if (text === undefined) {
    write({ digest, owner, leaseEnd, state: 'running', phase: 'idle', call: '' })
    return ['claimed']
  }
  const known = read(text)
  if (known.digest !== digest) return ['mismatch']
  if (known.state !== 'running') return [known.state, known.phase, known.call]
  const isDead = Number(known.leaseEnd) <= nowMs
  if (known.phase === 'exchange' || (known.phase === 'idle' && isDead)) {
    write({ ...known, owner, leaseEnd })
    return ['taken', known.phase, known.call]
  }
  if (!isDead) return ['running']
  write({ ...known, state: 'lost' })
  return ['lost', known.phase, known.call]
}

/**
 * Prolongs an owner's lease, and notes how far the call is.
 *
 * Keys: the call. Arguments: owner, lease in ms, life of the record in ms, phase and call (both empty: as they are). Reply:
 * `mine`; `moved`, when another process has it or it is gone; `cancelled`.
 */
export const NOTE: Procedure = {
  name: 'ferryNote',
  keyCount: 1,
  lua: `
    ${LUA_NOW}
    local text = redis.call('GET', KEYS[1])
    if not text then return {'moved'} end
    local known = cjson.decode(text)
    if known.state == 'cancelled' then return {'cancelled'} end
    if known.owner ~= ARGV[1] or known.state ~= 'running' then return {'moved'} end
    known.leaseEnd = string.format('%.0f', now + tonumber(ARGV[2]))
    if ARGV[4] ~= '' then known.phase, known.call = ARGV[4], ARGV[5] end
    redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ARGV[3])
    return {'mine'}`,
  local(state, [callKey = ''], [owner, leaseMs, lifeMs, phase = '', call = ''], nowMs) {
    const text = state.text(callKey)
    if (text === undefined) return ['moved']
    const known = read(text)
    if (known.state === 'cancelled') return ['cancelled']
    if (known.owner !== owner || known.state !== 'running') return ['moved']
    known.leaseEnd = String(nowMs + Number(leaseMs))
    if (phase !== '') Object.assign(known, { phase, call })
    state.set(callKey, JSON.stringify(known), Number(lifeMs))
    return ['mine']
  },
}

/**
 * Ends a call that is still its owner's.
 *
 * Keys: the call, its answer. Arguments: owner, ending (empty: the key is free again), the call, how long both are
 * remembered in ms. Value: the answer, where it is to be kept. Reply: as of {@link NOTE}.
 */
export const FINISH: Procedure = {
  name: 'ferryFinish',
  keyCount: 2,
  lua: `
    local text = redis.call('GET', KEYS[1])
    if not text then return {'moved'} end
    local known = cjson.decode(text)
    if known.state == 'cancelled' then return {'cancelled'} end
    if known.owner ~= ARGV[1] or known.state ~= 'running' then return {'moved'} end
    if ARGV[2] == '' then
      redis.call('DEL', KEYS[1])
    else
      known.state, known.call = ARGV[2], ARGV[3]
      redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ARGV[4])
    end
    if ARGV[5] then redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[4]) end
    return {'mine'}`,
  local(state, [callKey = '', answerKey = ''], [owner, ending = '', call = '', lifeMs], _, value) {
    const text = state.text(callKey)
    if (text === undefined) return ['moved']
    const known = read(text)
    if (known.state === 'cancelled') return ['cancelled']
    if (known.owner !== owner || known.state !== 'running') return ['moved']
    if (ending === '') state.delete(callKey)
    else state.set(callKey, JSON.stringify({ ...known, state: ending, call }), Number(lifeMs))
    if (value !== undefined) state.set(answerKey, value, Number(lifeMs))
    return ['mine']
  },
}

/**
 * Cancels a call, and one that has yet to come.
 *
 * Keys: the call, the mark of its cancel. Arguments: how long both are remembered, in ms. Reply: `none`; `ended`, for a
 * call that was over; `cancelled` with its phase and call.
 */
export const CANCEL: Procedure = {
  name: 'ferryCancel',
  keyCount: 2,
  lua: `
    redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
    local text = redis.call('GET', KEYS[1])
    if not text then return {'none'} end
    local known = cjson.decode(text)
    if known.state == 'cancelled' then return {'none'} end
    local was = known.state
    known.state = 'cancelled'
    redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ARGV[1])
    if was ~= 'running' then return {'ended'} end
    return {'cancelled', known.phase, known.call}`,
  local(state, [callKey = '', mark = ''], [lifeMs]) {
    state.set(mark, '1', Number(lifeMs))
    const text = state.text(callKey)
    if (text === undefined) return ['none']
    const known = read(text)
    if (known.state === 'cancelled') return ['none']
    state.set(callKey, JSON.stringify({ ...known, state: 'cancelled' }), Number(lifeMs))
    return known.state === 'running' ? ['cancelled', known.phase, known.call] : ['ended']
  },
}
