import type { Logger } from '@llm-ferry/kit'
import { createMemoryStore } from './memory.ts'
import { createRedisStore } from './redis.ts'
import type { RedisAddress } from './redis-address.ts'
import type { Store } from './store.ts'

/** The store that the configuration asks for: Redis where there is an address, else this process’s memory. */
export function createStore(address: RedisAddress | undefined, timeoutMs: number, log: Logger): Store {
  if (address !== undefined) {
    return createRedisStore({ address, timeoutMs, onError: (error) => log.warn({ err: error }, 'redis_error') })
  }
  log.warn('store_in_process')
  return createMemoryStore()
}
