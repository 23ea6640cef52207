import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type Store, StoreUnavailable } from '../store/store.ts'

/** What became of an entry that was put away. */
export type Put = 'stored' | 'too_large' | 'failed'

/** Where sealed answers are kept. Nothing here rejects: a store that is away has nothing and takes nothing. */
export interface Shelf {
  /** Whether other processes see it. */
  readonly isShared: boolean
  get(name: string): Promise<Buffer | undefined>
  put(name: string, sealed: Buffer, ttlMs: number): Promise<Put>
}

/** Bounds of a shelf, in bytes. */
export interface ShelfBounds {
  readonly maxBytes: number
  readonly maxEntryBytes: number
}

/** Answers in this process: the one unused for longest leaves first. */
export function createMemoryShelf({ maxBytes, maxEntryBytes }: ShelfBounds): Shelf {
  const entries = new LRUCache<string, Buffer>({ maxSize: maxBytes, sizeCalculation: sizeOf, ttlAutopurge: false })
  return {
    isShared: false,
    get: async (name) => entries.get(name),
    put: async (name, sealed, ttlMs) => {
      if (sealed.length > maxEntryBytes) return 'too_large'
      entries.set(name, sealed, { ttl: ttlMs })
      return 'stored'
    },
  }
}

/** What an entry takes beside its bytes, about. */
const OVERHEAD_BYTES = 200

const sizeOf = (sealed: Buffer): number => sealed.length + OVERHEAD_BYTES

/**
 * Answers in a store of their own, which drops them by itself when it is full, or beside counters that must never meet a
 * full store: then in so many places that all of them full stay within the bound, and a later answer takes the place of
 * an earlier one by chance. That needs no script, no count and no hash tag, and cannot be wrong.
 *
 * @param isOwn whether nothing else is in the store.
 */
export function createStoreShelf(store: Store, isOwn: boolean, { maxBytes, maxEntryBytes }: ShelfBounds): Shelf {
  const places = Math.max(1, Math.floor(maxBytes / (maxEntryBytes + OVERHEAD_BYTES)))
  const keyOf = (name: string): string => `ferry:cache:${isOwn ? name : placeOf(name, places)}`
  return {
    isShared: store.isShared,
    get: (name) => unlessAway(store.get(keyOf(name)), undefined),
    put: async (name, sealed, ttlMs) => {
      if (sealed.length > maxEntryBytes) return 'too_large'
      const stored = store.set(keyOf(name), sealed, { ttlMs }).then((): Put => 'stored')
      return unlessAway<Put>(stored, 'failed')
    },
  }
}

function placeOf(name: string, places: number): number {
  return createHash('sha256').update(name).digest().readUInt32BE(0) % places
}

/** The work's result, or another one where the store is away. */
export async function unlessAway<T>(work: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof StoreUnavailable) return otherwise
    throw error
  }
}
