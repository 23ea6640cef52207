import { Bag, type Kept } from '@llm-ferry/kit'
import type { Store } from '../store/store.ts'
import { callKey, leasesKey, ledgerKey, SHARDS } from './keys.ts'
import { ABANDON, DUE, type OpenCall, RENEW } from './lease.ts'
import { LEASE_MS, type Reservation } from './limiter.ts'
import { settledMemoryMs } from './settlement.ts'

/** Calls ended in one round for each shard: the rest is for the next. */
const ENDED_AT_ONCE = 100

/** Keeps the leases of this process's calls, and ends calls whose process has gone, its own or another's. */
export class Leases {
  readonly #store: Store
  readonly #leaseMs: number
  readonly #open = new Bag<Reservation>()

  constructor(store: Store, leaseMs: number = LEASE_MS) {
    this.#store = store
    this.#leaseMs = leaseMs
  }

  add(reservation: Reservation): Kept<Reservation> {
    return this.#open.add(reservation)
  }

  remove(lease: Kept<Reservation>): void {
    this.#open.remove(lease)
  }

  /** Prolongs the lease of every open call. A store that is away is tried again next time. */
  async renew(): Promise<void> {
    await Promise.allSettled(this.#open.values().map((reservation) => this.#renewOne(reservation)))
  }

  /** Ends the calls whose leases are over; resolves with how many. @throws {StoreUnavailable} */
  async reap(): Promise<number> {
    const shards = Array.from({ length: SHARDS }, (_, shard) => this.#reapShard(shard))
    return (await Promise.all(shards)).reduce((sum, ended) => sum + ended, 0)
  }

  #renewOne({ callId, keys, isStream }: Reservation): Promise<unknown> {
    const [, , , streams = '', leases = ''] = keys
    return this.#store.run(RENEW, [streams, leases], [callId, String(this.#leaseMs), isStream ? '1' : '0'])
  }

  async #reapShard(shard: number): Promise<number> {
    const leases = leasesKey(shard)
    const due = await this.#store.run(DUE, [leases], [String(ENDED_AT_ONCE)])
    const words = await Promise.all(due.map((id) => this.#end(shard, String(id))))
    return words.filter((word) => word === 'abandoned').length
  }

  async #end(shard: number, id: string): Promise<unknown> {
    const call = callKey(shard, id)
    const open = (await this.#store.get(call))?.toString('utf8') ?? ''
    // What is no open call any more is sorted out by the procedure itself.
    const usage = open.startsWith('{') ? (JSON.parse(open) as OpenCall).usage : call
    const keys = [leasesKey(shard), call, ledgerKey(shard), usage]
    const [word] = await this.#store.run(ABANDON, keys, [id, String(settledMemoryMs(this.#store))])
    return word
  }
}
