import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@llm-ferry/kit'
import { createMemoryStore } from './memory.ts'
import { createRedisStore } from './redis.ts'
import type { RedisAddress } from './redis-address.ts'
import type { Procedure, Store } from './store.ts'

/** Longest wait for a shared store at start, in ms: after that calls go without it until it is there. */
const PATIENCE_MS = 3000

/** Opens the store that the configuration asks for: Redis where there is an address, else this process’s memory. */
export async function openStore(
  address: RedisAddress | undefined,
  timeoutMs: number,
  procedures: readonly Procedure[],
  log: Logger,
): Promise<Store> {
  if (address === undefined) {
    log.warn('store_in_process')
    return createMemoryStore()
  }
  const store = createRedisStore({
    address,
    timeoutMs,
    procedures,
    onError: (error) => log.warn({ err: error }, 'redis_error'),
  })
  if (!(await answersWithin(store, PATIENCE_MS))) log.error('redis_away_at_start')
  return store
}

/** Whether the store answers before the time is over, in ms. */
export async function answersWithin(store: Store, patienceMs: number): Promise<boolean> {
  for (const deadline = performance.now() + patienceMs; performance.now() < deadline; await sleep(20)) {
    const answered = await store.get('ferry:probe').then(
      () => true,
      () => false,
    )
    if (answered) return true
  }
  return false
}
