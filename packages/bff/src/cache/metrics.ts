import { Counter, type Registry } from '@llm-ferry/kit'
import type { Put } from './shelf.ts'

/** Calls that were to be cached: answered from it, not found there, or of a kind that is never kept. */
export type CacheResult = 'hit' | 'miss' | 'unfit'

/** What is measured of the cache. */
export interface CacheMetrics {
  asked(result: CacheResult): void
  /** An answer was put away, or not: `unfit` is one that is never kept. */
  put(outcome: Put | 'unfit', bytes?: number): void
  /** An answer came from the cache, and would have cost this. */
  saved(nanos: number): void
  /** A call waited for one that asked the same, and how that ended. */
  followed(outcome: 'shared' | 'left' | 'alone' | 'late'): void
}

export function createCacheMetrics(registry: Registry): CacheMetrics {
  const registers = [registry]
  const requests = new Counter({
    name: 'ferry_cache_requests_total',
    help: 'Calls that asked for the cache of answers, by what came of it.',
    labelNames: ['result'] as const,
    registers,
  })
  const stores = new Counter({
    name: 'ferry_cache_stores_total',
    help: 'Answers that were put into the cache, or were not.',
    labelNames: ['outcome'] as const,
    registers,
  })
  const bytes = new Counter({
    name: 'ferry_cache_stored_bytes_total',
    help: 'Bytes put into the cache, compressed.',
    registers,
  })
  const saved = new Counter({
    name: 'ferry_cache_saved_dollars_total',
    help: 'US dollars that answers from the cache would have cost.',
    registers,
  })
  const followers = new Counter({
    name: 'ferry_cache_followers_total',
    help: 'Calls that waited for one under way that asked the same.',
    labelNames: ['outcome'] as const,
    registers,
  })
  return {
    asked: (result) => requests.inc({ result }),
    put(outcome, size = 0) {
      stores.inc({ outcome })
      if (outcome === 'stored') bytes.inc(size)
    },
    saved: (nanos) => saved.inc(nanos / 1e9),
    followed: (outcome) => followers.inc({ outcome }),
  }
}
