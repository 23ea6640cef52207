import type { Logger, Registry } from '@llm-ferry/kit'
import type { BffConfig } from '../config.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { Prices } from '../ledger/prices.ts'
import { createRedisStore } from '../store/redis.ts'
import type { Store } from '../store/store.ts'
import { AnswerCache } from './cache.ts'
import { Claims } from './claims.ts'
import { createCacheMetrics } from './metrics.ts'
import { createMemoryShelf, createStoreShelf, type Shelf } from './shelf.ts'

/** What the cache is made of. */
export interface CacheParts {
  readonly config: BffConfig
  readonly ring: KeyRing
  readonly shelf: CacheShelf
  readonly prices: Prices
  readonly registry: Registry
}

/** Where answers are kept, and calls under way are known to other processes. */
export interface CacheShelf {
  readonly shelf: Shelf
  readonly claims: Claims | undefined
  close(): Promise<void>
}

/** @param store that counters are in; answers stand beside them unless REDIS_CACHE_URL names another Redis. */
export function openShelf(config: BffConfig, store: Store, log: Logger): CacheShelf {
  const { redisCache: address, redisTimeoutMs: timeoutMs } = config
  const bounds = { maxBytes: config.cacheMaxBytes, maxEntryBytes: config.cacheMaxEntryBytes }
  if (address === undefined && !store.isShared) {
    return { shelf: createMemoryShelf(bounds), claims: undefined, close: async () => {} }
  }
  const onError = (error: Error): void => log.warn({ err: error }, 'redis_cache_error')
  const own = address && createRedisStore({ address, timeoutMs, procedures: [], onError })
  const shelf = createStoreShelf(own ?? store, own !== undefined, bounds)
  return { shelf, claims: new Claims(own ?? store), close: async () => own?.close() }
}

/** The cache of answers, as the configuration says. */
export function createCache({ config: { file }, ring, shelf, prices, registry }: CacheParts): AnswerCache {
  return new AnswerCache({
    shelf: shelf.shelf,
    claims: shelf.claims,
    prices,
    metrics: createCacheMetrics(registry),
    ofKey: (key) => ring.get(key)?.record.cache,
    ofModel: (asked, id) => (file.aliases.get(asked) ?? file.models.get(id))?.cache,
  })
}
