import type { MemoryState } from './memory-state.ts'

/** What a procedure returns: the same flat list from Lua and from its twin in memory. */
export type Reply = readonly (string | number)[]

/**
 * A piece of work that a store does in one step, which nothing else can come between.
 *
 * It is written twice: as a Lua script for Redis and as a function for memory. Both take the same keys and arguments and
 * give the same reply; a property test holds them to it.
 */
export interface Procedure {
  /** Name of the command, unique among all procedures. */
  readonly name: string
  /** How many keys it takes. All of them share one hash tag, so that a cluster holds them on one node. */
  readonly keyCount: number
  readonly lua: string
  /**
   * @param nowMs the store's time; Lua asks Redis for it.
   * @param value bytes beside the arguments; for Lua the last of them.
   */
  readonly local: (
    state: MemoryState,
    keys: readonly string[],
    args: readonly string[],
    nowMs: number,
    value?: Buffer,
  ) => Reply
}

/** How a value is set. */
export interface SetOptions {
  /** Time after which the value is gone, in ms. */
  readonly ttlMs: number
  /** Whether an existing value stays. Default false. */
  readonly onlyIfAbsent?: boolean
}

/**
 * State that BFF processes share, or that one process keeps for itself.
 *
 * Every method but `close` rejects with {@link StoreUnavailable} within a set time when the store cannot answer; what it
 * was asked to do may have happened all the same.
 */
export interface Store {
  /** Whether other processes see the same state. */
  readonly isShared: boolean
  run(procedure: Procedure, keys: readonly string[], args: readonly string[], value?: Buffer): Promise<Reply>
  get(key: string): Promise<Buffer | undefined>
  /** Resolves with whether the value was set. */
  set(key: string, value: Buffer | string, options: SetOptions): Promise<boolean>
  /** Resolves with whether there was a value. */
  delete(key: string): Promise<boolean>
  /**
   * Visits the fields of a hash that procedures count in whose names begin so, in steps: a large one holds nobody up. One
   * that changes meanwhile may be visited twice.
   */
  scanSums(key: string, prefix: string, visit: (field: string, amount: number) => void): Promise<void>
  /** Those of the fields that there are. */
  sums(key: string, fields: readonly string[]): Promise<ReadonlyMap<string, number>>
  /**
   * Hands over the next records of a stream, each to one consumer of all, and again to another one when `handle` rejects
   * or the process ends. Those that were handled, by everybody who reads the stream, are removed.
   *
   * @param consumer name of this consumer, the same for each call.
   * @returns how many there were.
   */
  consume(stream: string, consumer: string, handle: (records: readonly string[]) => Promise<void>): Promise<number>
  /** Tells all processes that share the store, this one included. */
  publish(channel: string, message: string): Promise<void>
  /** Hears what is told from now on, in bad times late or not at all. @returns ends it. */
  subscribe(channel: string, heard: (message: string) => void): () => void
  close(): Promise<void>
}

/** Most records that a consumer is handed at once. */
export const RECORDS_AT_ONCE = 500

/** Why a store did not answer: no connection, no answer in time, or an error as the answer. */
export type StoreFault = 'disconnected' | 'timeout' | 'refused'

/** The store did not do what it was asked, or did not say so in time. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
  readonly fault: StoreFault
  /** Whether what was asked may have been done, or may be done yet. */
  readonly mayHappen: boolean

  constructor(fault: StoreFault, message: string, { cause, mayHappen }: { cause?: unknown; mayHappen: boolean }) {
    super(message, cause === undefined ? undefined : { cause })
    this.fault = fault
    this.mayHappen = mayHappen
  }
}
