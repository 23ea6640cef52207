import { EventEmitter } from 'node:events'
import { MemoryState } from './memory-state.ts'
import { RECORDS_AT_ONCE, type Store } from './store.ts'

/**
 * A store in this process: other processes do not see it, and it ends with the process.
 *
 * @param now the time in ms; never goes back. Default: the wall clock at the start, and from there on time that no
 * change of the wall clock moves.
 */
export function createMemoryStore(now: () => number = steadyNow()): Store {
  const state = new MemoryState()
  const channels = new EventEmitter().setMaxListeners(0)
  const current = (): MemoryState => state.at(now())
  return {
    isShared: false,
    run: async (procedure, keys, args, value) => {
      const nowMs = Math.floor(now())
      return procedure.local(state.at(nowMs), keys, args, nowMs, value)
    },
    get: async (key) => current().bytes(key),
    set: async (key, value, { ttlMs, onlyIfAbsent = false }) => {
      if (onlyIfAbsent && current().bytes(key) !== undefined) return false
      current().set(key, value, ttlMs)
      return true
    },
    delete: async (key) => current().delete(key),
    scanSums: async (key, prefix, visit) => {
      for (const [field, amount] of current().numbers(key) ?? []) if (field.startsWith(prefix)) visit(field, amount)
    },
    sums: async (key, fields) => {
      const numbers = current().numbers(key)
      return new Map(
        [...fields].flatMap((field) => {
          const amount = numbers?.get(field)
          return amount === undefined ? [] : [[field, amount]]
        }),
      )
    },
    consume: async (stream, _consumer, handle) => {
      const records = current().take(stream, RECORDS_AT_ONCE)
      if (records.length > 0) await handle(records)
      return records.length
    },
    publish: async (channel, message) => void channels.emit(channel, message),
    subscribe: (channel, heard) => {
      channels.on(channel, heard)
      return () => void channels.off(channel, heard)
    },
    close: async () => {},
  }
}

function steadyNow(): () => number {
  const base = Date.now() - performance.now()
  return () => base + performance.now()
}
