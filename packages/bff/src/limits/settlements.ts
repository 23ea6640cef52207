import { Bag, type Logger } from '@llm-ferry/kit'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { type Settlement, settle } from './settlement.ts'
import type { Spool } from './spool.ts'

/** How often settlements that wait are tried again, in ms. */
const REPLAY_MS = 1000

export interface SettlementsOptions {
  readonly store: Store
  readonly spool: Spool
  readonly log: Logger
  /** The store did not take a settlement. */
  readonly onFault: (error: StoreUnavailable) => void
  /** There was no room for a settlement to wait. */
  readonly onLost: () => void
}

/** Brings settlements to the store: at once, or when it is back. Callers never wait for them. */
export class Settlements {
  readonly #options: SettlementsOptions
  readonly #timer: NodeJS.Timeout
  readonly #pending = new Bag<Promise<void>>()
  #replaying: Promise<void> | undefined

  constructor(options: SettlementsOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#replay(), REPLAY_MS).unref()
    if (options.store.isShared) this.track(options.spool.adopt())
  }

  /** Settles in the store. */
  add(settlement: Settlement): void {
    this.track(this.#settle(settlement))
  }

  /** Work that nobody waits for, until {@link Settlements.close}. */
  track(work: Promise<void>): void {
    const done = work.catch((error: unknown) => this.#options.log.error({ err: error }, 'settlement_failed'))
    const kept = this.#pending.add(done)
    void done.then(() => this.#pending.remove(kept))
  }

  /** Finishes what is under way, and tries once more what waits; what still waits then is in the spool's file. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([...this.#pending.values(), this.#replaying])
    await this.#replay()
  }

  async #settle(settlement: Settlement): Promise<void> {
    const { store, spool, log, onFault, onLost } = this.#options
    try {
      await settle(store, settlement)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      onFault(error)
      if (await spool.add(settlement)) return
      onLost()
      log.error({ callId: settlement.args[0] }, 'settlement_lost')
    }
  }

  #replay(): Promise<void> | undefined {
    const { store, spool, log } = this.#options
    if (spool.size === 0) return undefined
    this.#replaying ??= spool
      .replay((settlement) => settle(store, settlement))
      .then(() => log.info('settlements_replayed'))
      .catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) log.error({ err: error }, 'replay_failed')
      })
      .finally(() => {
        this.#replaying = undefined
      })
    return this.#replaying
  }
}
