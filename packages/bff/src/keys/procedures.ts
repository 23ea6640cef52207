import type { MemoryState } from '../store/memory-state.ts'
import type { Procedure, Reply } from '../store/store.ts'

/** Keys of the store that the keys are kept in, all under one hash tag. */
export const indexKey = 'ferry:{keys}:index'
export const versionKey = 'ferry:{keys}:version'
export const recordKey = (id: string): string => `ferry:{keys}:key:${id}`
export const nameKey = (name: string): string => `ferry:{keys}:name:${name}`

/** Told to all processes when a key has changed. */
export const CHANNEL = 'ferry:keys'

/**
 * Writes a key if it is still what its writer saw, and if its name is free.
 *
 * Keys: index (id → version of its last change), version, record, name, name before. Arguments: id; the record as it was
 * seen (empty: none); the record (empty: it is forgotten); `1` when the name becomes free.
 *
 * Reply: `written`; `conflict`: it has changed meanwhile; `taken`: another key has the name.
 */
export const WRITE_KEY: Procedure = {
  name: 'ferryWriteKey',
  keyCount: 5,
  lua: `
    if (redis.call('GET', KEYS[3]) or '') ~= ARGV[2] then return {'conflict'} end
    local holder = redis.call('GET', KEYS[4])
    if holder and holder ~= ARGV[1] then return {'taken'} end
    if KEYS[5] ~= KEYS[4] then redis.call('DEL', KEYS[5]) end
    if ARGV[4] == '1' then redis.call('DEL', KEYS[4]) else redis.call('SET', KEYS[4], ARGV[1]) end
    local version = redis.call('INCR', KEYS[2])
    if ARGV[3] == '' then
      redis.call('DEL', KEYS[3])
      redis.call('ZREM', KEYS[1], ARGV[1])
    else
      redis.call('SET', KEYS[3], ARGV[3])
      redis.call('ZADD', KEYS[1], version, ARGV[1])
    end
    return {'written'}`,
  local: write,
}

function write(state: MemoryState, keys: readonly string[], args: readonly string[]): Reply {
  const [index = '', versionAt = '', recordAt = '', nameAt = '', nameBefore = ''] = keys
  const [id = '', seen = '', record = '', freesName = ''] = args
  if ((state.text(recordAt) ?? '') !== seen) return ['conflict']
  const holder = state.text(nameAt)
  if (holder !== undefined && holder !== id) return ['taken']
  if (nameBefore !== nameAt) state.delete(nameBefore)
  if (freesName === '1') state.delete(nameAt)
  else state.set(nameAt, id, Number.POSITIVE_INFINITY)
  const version = Number(state.text(versionAt) ?? 0) + 1
  state.set(versionAt, String(version), Number.POSITIVE_INFINITY)
  if (record === '') {
    state.delete(recordAt)
    state.ensureNumbers(index).delete(id)
  } else {
    state.set(recordAt, record, Number.POSITIVE_INFINITY)
    state.ensureNumbers(index).set(id, version)
  }
  return ['written']
}

/**
 * Ids of the keys that changed after a version: all of them where the store is older than that, because it lost writes.
 *
 * Keys: index, version. Argument: the version. Reply: the version now, then ids.
 */
export const CHANGED_KEYS: Procedure = {
  name: 'ferryChangedKeys',
  keyCount: 2,
  lua: `
    local version = redis.call('GET', KEYS[2]) or '0'
    if version == ARGV[1] then return {version} end
    local since = tonumber(ARGV[1])
    if tonumber(version) < since then since = 0 end
    local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. since, '+inf')
    table.insert(ids, 1, version)
    return ids`,
  local: changed,
}

function changed(
  state: MemoryState,
  [index = '', versionAt = '']: readonly string[],
  [seen]: readonly string[],
): Reply {
  const version = Number(state.text(versionAt) ?? 0)
  const since = version < Number(seen) ? 0 : Number(seen)
  const ids = [...(state.numbers(index) ?? [])].filter(([, at]) => at > since).map(([id]) => id)
  return [version, ...ids]
}

/** All that keys ask of a store. */
export const KEY_PROCEDURES: readonly Procedure[] = [WRITE_KEY, CHANGED_KEYS]
