import { type Entry, entryOf } from '../ledger/entry.ts'
import type { CallRecord } from '../ledger/record.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { type Allowance, allowances } from './allowance.ts'
import type { Calendar, Windows } from './calendar.ts'
import { callKeys } from './keys.ts'
import type { OpenCall } from './lease.ts'
import { type Amounts, callRules, type LimitPolicy, type Rule, userRules } from './policy.ts'
import { type Refused, refusal } from './refusal.ts'
import { RESERVE } from './reserve.ts'
import { giveBackOf, type Settlement } from './settlement.ts'

/** A call that asks to be let in. */
export interface CallToAdmit {
  /** Unique among all calls. */
  readonly id: string
  readonly key: string
  readonly user: string
  readonly vendor: string
  readonly isStream: boolean
  readonly policy: LimitPolicy
  /** What the call is expected to use, as whole numbers. */
  readonly expected: Amounts
  /** What the ledger says of it should its process go away. */
  readonly record: CallRecord
}

/** What a call has been given, and where it was written down. */
export interface Reservation {
  readonly callId: string
  readonly keys: readonly string[]
  readonly windows: Windows
  readonly isStream: boolean
  readonly rules: readonly Rule[]
  readonly reserved: Amounts
  /** What stands in the ledger should nobody settle it. */
  readonly ifAbandoned: Entry
  readonly allowances: readonly Allowance[]
}

/** How long a call is held without a word from its process, in ms. */
export const LEASE_MS = 60_000

/** Windows are named before the store's clock is known: at the turn of a minute the first guess may be wrong. */
const MAX_GUESSES = 3

/** Decides limits by one store. */
export class Limiter {
  readonly #store: Store
  readonly #calendar: Calendar
  readonly #leaseMs: number
  /** The store's time less ours, which nobody's wall clock moves. */
  #offsetMs: number = Date.now() - performance.now()

  constructor(store: Store, calendar: Calendar, leaseMs: number = LEASE_MS) {
    this.#store = store
    this.#calendar = calendar
    this.#leaseMs = leaseMs
  }

  /**
   * Counts a call against all its limits, or against none.
   *
   * @throws {LimitRefusal} when a limit refuses it.
   * @throws {StoreUnavailable}
   */
  reserve(call: CallToAdmit): Promise<Reservation> {
    return this.#decide(call, call.id, callRules(call.policy, call.user, call.vendor))
  }

  /** Counts one more vendor of an admitted call; the key's own counts have it already. Throws as `reserve` does. */
  reserveVendor(call: CallToAdmit, vendor: string): Promise<Reservation> {
    return this.#decide({ ...call, isStream: false }, '', userRules(call.policy, call.user, vendor))
  }

  /** Takes a call back of which the store did not say whether it counted it; what it did not count stays so. */
  undo(call: CallToAdmit): Settlement {
    const windows = this.#windows()
    const rules = callRules(call.policy, call.user, call.vendor)
    return giveBackOf({
      callId: call.id,
      keys: callKeys(call.key, windows, call.id),
      windows,
      rules,
      reserved: call.expected,
    })
  }

  #windows(): Windows {
    return this.#calendar(Math.floor(performance.now() + this.#offsetMs))
  }

  async #decide(call: CallToAdmit, callId: string, rules: readonly Rule[]): Promise<Reservation> {
    // A counter that is neither limited nor added to yet is only settled.
    const asked = rules.filter(({ limit, unit }) => limit !== undefined || call.expected[unit] !== 0)
    for (let guess = 1; guess <= MAX_GUESSES; guess++) {
      const windows = this.#windows()
      const keys = callKeys(call.key, windows, callId)
      const ifAbandoned = entryOf(call.record, windows[1].startMs)
      const args = this.#args(call, callId, windows, asked, { usage: keys[7] ?? '', ...asOpen(ifAbandoned) })
      const [verdict, nowMs, ...counts] = await this.#store.run(RESERVE, keys.slice(0, RESERVE.keyCount), args)
      this.#offsetMs = Number(nowMs) - performance.now()
      if (verdict === 'moved') continue
      const [streams = 0, ...used] = counts.map(Number)
      const decided = { call, rules: asked, used, streams, windows, nowMs: Number(nowMs) }
      if (verdict === 'refused') throw refusalOf(decided)
      const left = allowances(asked, used, windows, Number(nowMs))
      const { isStream, expected: reserved } = call
      return { callId, keys, windows, isStream, rules, reserved, ifAbandoned, allowances: left }
    }
    throw new StoreUnavailable('refused', 'The store’s clock runs away', { mayHappen: false })
  }

  #args(
    { isStream, policy, expected }: CallToAdmit,
    callId: string,
    windows: Windows,
    rules: readonly Rule[],
    open: OpenCall,
  ): string[] {
    const remembered = callId === '' ? '' : JSON.stringify(open)
    const args = [callId, String(this.#leaseMs), isStream ? '1' : '0', String(policy.streams ?? -1), remembered]
    for (const { startMs, endMs } of windows) args.push(String(startMs), String(endMs))
    for (const { window, field, unit, limit } of rules) {
      args.push(String(window + 1), field, String(expected[unit]), String(limit ?? -1))
    }
    return args
  }
}

const asOpen = ({ record, sums }: Entry): Omit<OpenCall, 'usage'> => ({ record: JSON.stringify(record), sums })

interface Decided {
  readonly call: CallToAdmit
  readonly rules: readonly Rule[]
  readonly used: readonly number[]
  readonly streams: number
  readonly windows: Windows
  readonly nowMs: number
}

function refusalOf({ call, rules, used, streams, windows, nowMs }: Decided): Error {
  const limited = rules.map((rule, i) => ({ rule, used: used[i] ?? 0 })).filter(({ rule }) => rule.limit !== undefined)
  const all = allowances(rules, used, windows, nowMs)
  const refused = limited.flatMap(({ rule, used }, i): Refused[] => {
    const [amount, allowance] = [call.expected[rule.unit], all[i]]
    return allowance && used + amount > allowance.limit ? [{ allowance, amount }] : []
  })
  const { streams: limit } = call.policy
  if (call.isStream && limit !== undefined && streams >= limit) {
    refused.push({
      allowance: { name: 'streams', unit: 'streams', limit, remaining: 0, resetMs: undefined },
      amount: 1,
    })
  }
  const [first, ...others] = refused
  return first ? refusal([first, ...others], all) : new Error('Refused by no limit')
}
