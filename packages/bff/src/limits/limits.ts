import type { Logger, Registry } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import { createSpendMeter, type SpendMeter } from '../ledger/metrics.ts'
import type { CallRecord } from '../ledger/record.ts'
import { createMemoryStore } from '../store/memory.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import type { Allowance } from './allowance.ts'
import type { Calendar } from './calendar.ts'
import { Leases } from './leases.ts'
import { type CallToAdmit, LEASE_MS, Limiter, type Reservation } from './limiter.ts'
import { createLimitMetrics, type LimitMetrics } from './metrics.ts'
import type { Amounts } from './policy.ts'
import { LimitRefusal } from './refusal.ts'
import { attemptOf, countersOf, giveBackOf, settle, settledMemoryMs, settlementOf } from './settlement.ts'
import { Settlements } from './settlements.ts'
import { Spool } from './spool.ts'

/** What happens to calls while the shared store is away: this process alone decides, or they are refused. */
export const OUTAGE_POLICIES = ['open', 'closed'] as const
export type OutagePolicy = (typeof OUTAGE_POLICIES)[number]

export interface LimitsOptions {
  readonly store: Store
  readonly calendar: Calendar
  readonly outage: OutagePolicy
  /** Folder for settlements that wait for the store. */
  readonly spoolFolder: string
  readonly log: Logger
  readonly registry: Registry
  /** How long a call is held without a word from its process, in ms. Default 60000; renewed in a third of it. */
  readonly leaseMs?: number
}

/** What a call used; its own request stays counted. */
export interface Used extends Omit<Amounts, 'requests'> {
  /** Its line in the ledger. */
  readonly record: CallRecord
}

/** A call that was let in. Exactly one of `settle` and `release` counts: the first. */
export interface Admission {
  /** What each limit leaves after this call. */
  readonly allowances: readonly Allowance[]
  /** What another process needs to {@link Limits.adopt} the call; `undefined` when only this one counted it. */
  readonly reservation: Reservation | undefined
  /** Another process settles the call. */
  handOver(): void
  /**
   * Counts the call at one more vendor, before a fallback to it.
   *
   * @throws {LimitRefusal} when a limit of that vendor refuses it.
   */
  admitVendor(vendor: string): Promise<void>
  /** Charges an attempt besides the one that the call ends with; it counts no request. */
  charge(used: Used): void
  /** Charges what was used in place of what was expected. */
  settle(used: Used): void
  /** Takes everything back: no vendor was reached. The ledger has a line of it all the same. */
  release(record: CallRecord): void
}

/** Where a reservation was made: in the shared store, or in this process because that was away. */
interface Held {
  readonly reservation: Reservation
  readonly isInsured: boolean
}

/** Admits calls under limits that all BFF processes share, and keeps count while the store is away. */
export class Limits {
  readonly #store: Store
  readonly #limiter: Limiter
  readonly #ownStore: Store = createMemoryStore()
  readonly #ownLimiter: Limiter
  readonly #leases: Leases
  readonly #settlements: Settlements
  readonly #metrics: LimitMetrics
  readonly #spent: SpendMeter
  readonly #log: Logger
  readonly #outage: OutagePolicy
  readonly #timers: readonly NodeJS.Timeout[]

  constructor({ store, calendar, outage, spoolFolder, log, registry, leaseMs = LEASE_MS }: LimitsOptions) {
    const spool = new Spool(spoolFolder)
    const metrics = createLimitMetrics(registry, () => spool.size)
    const onFault = ({ fault }: StoreUnavailable): void => metrics.storeFault(fault)
    this.#store = store
    this.#log = log
    this.#outage = outage
    this.#metrics = metrics
    this.#spent = createSpendMeter(registry)
    this.#limiter = new Limiter(store, calendar, leaseMs)
    this.#ownLimiter = new Limiter(this.#ownStore, calendar, leaseMs)
    this.#leases = new Leases(store, leaseMs)
    this.#settlements = new Settlements({ store, spool, log, onFault, onLost: metrics.lost })
    this.#timers = [
      setInterval(() => void this.#leases.renew(), leaseMs / 3).unref(),
      setInterval(() => void this.#reap(), leaseMs / 4).unref(),
    ]
  }

  /**
   * @throws {LimitRefusal} when a limit refuses the call; nothing is counted then.
   * @throws {FerryError} `overloaded` when limits cannot be checked and nobody may pass unchecked.
   */
  async admit(call: CallToAdmit): Promise<Admission> {
    const held = await this.#reserve(
      (limiter) => limiter.reserve(call),
      () => this.#undo(call),
    )
    return this.#admission(call, held)
  }

  /** Goes on with a call that another process has admitted: from now on this one settles it, if it is not settled. */
  adopt(call: CallToAdmit, reservation: Reservation): Admission {
    return this.#admission(call, { reservation, isInsured: false })
  }

  /** Finishes what is under way. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#settlements.close()
  }

  /** @param undo for a call that is not let in although the store may have counted it. */
  async #reserve(reserve: (limiter: Limiter) => Promise<Reservation>, undo: () => void): Promise<Held> {
    try {
      return await this.#reserveInsured(reserve, undo)
    } catch (error) {
      if (error instanceof LimitRefusal) this.#metrics.refused(error.refusedBy.name)
      throw error
    }
  }

  async #reserveInsured(reserve: (limiter: Limiter) => Promise<Reservation>, undo: () => void): Promise<Held> {
    try {
      return { reservation: await reserve(this.#limiter), isInsured: false }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      this.#metrics.storeFault(error.fault)
      return await this.#insure(reserve, error, undo)
    }
  }

  async #insure(
    reserve: (limiter: Limiter) => Promise<Reservation>,
    fault: StoreUnavailable,
    undo: () => void,
  ): Promise<Held> {
    try {
      if (this.#outage === 'closed') throw unchecked(fault)
      const reservation = await reserve(this.#ownLimiter)
      this.#metrics.insured()
      return { reservation, isInsured: true }
    } catch (error) {
      if (fault.mayHappen) undo()
      throw error
    }
  }

  #undo(call: CallToAdmit): void {
    this.#settlements.add(this.#limiter.undo(call))
  }

  #admission(call: CallToAdmit, held: Held): Admission {
    const lease = held.isInsured ? undefined : this.#leases.add(held.reservation)
    const endLease = (): void => {
      if (lease) this.#leases.remove(lease)
    }
    const others: Held[] = []
    let isOver = false
    let charged = 0
    const finish = (used: Amounts, record: CallRecord): void => {
      if (isOver) return
      isOver = true
      endLease()
      this.#settle(held, used, record)
      if (used.requests === 0) for (const other of others) this.#giveBack(other)
    }
    return {
      allowances: held.reservation.allowances,
      reservation: held.isInsured ? undefined : held.reservation,
      handOver: () => {
        isOver = true
        endLease()
      },
      admitVendor: async (vendor) => {
        others.push(
          await this.#reserve(
            (limiter) => limiter.reserveVendor(call, vendor),
            () => {},
          ),
        )
      },
      charge: ({ tokens, costNanos, record }) => {
        const reservation = attemptOf(held.reservation, call.key, ++charged)
        this.#settle({ ...held, reservation }, { requests: 0, tokens, costNanos }, record)
      },
      settle: ({ tokens, costNanos, record }) => finish({ requests: 1, tokens, costNanos }, record),
      release: (record) => finish(NOTHING, record),
    }
  }

  #settle({ reservation, isInsured }: Held, used: Amounts, record: CallRecord): void {
    this.#spent(record)
    const settlement = settlementOf(reservation, used, record, settledMemoryMs(this.#store))
    if (isInsured) this.#settlements.track(settle(this.#ownStore, countersOf(settlement)))
    this.#settlements.add(settlement)
  }

  /** A count without a lease could not be told from one given back already: it is tried once, where it was made. */
  #giveBack({ reservation, isInsured }: Held): void {
    const work = settle(isInsured ? this.#ownStore : this.#store, giveBackOf(reservation))
    this.#settlements.track(
      work.catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error
        this.#metrics.storeFault(error.fault)
      }),
    )
  }

  async #reap(): Promise<void> {
    try {
      const ended = await this.#leases.reap()
      if (ended > 0) this.#metrics.abandoned(ended)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) this.#log.error({ err: error }, 'leases_failed')
    }
  }
}

const NOTHING: Amounts = { requests: 0, tokens: 0, costNanos: 0 }

function unchecked(cause: StoreUnavailable): FerryError {
  const message = 'Limits cannot be checked at the moment: try again in a second'
  return new FerryError('overloaded', message, { retryAfterMs: 1000, cause })
}
