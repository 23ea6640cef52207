import { type Entry, entryOf } from '../ledger/entry.ts'
import { type CallRecord, correction } from '../ledger/record.ts'
import type { Store } from '../store/store.ts'
import { callKeys } from './keys.ts'
import type { Reservation } from './limiter.ts'
import type { Amounts } from './policy.ts'
import { SETTLE, type SumChange } from './settle.ts'

/** One run of {@link SETTLE}, as it can be kept in a file and done later. */
export interface Settlement {
  readonly keys: readonly string[]
  readonly args: readonly string[]
  /** The ledger’s line in place of the one in `args`, when the call was taken for abandoned. */
  readonly correction: string
  /** What it changes in the day’s sums then, in place of the last of `args`; absent: the same. */
  readonly correctedSums?: string
}

/** How long a shared store remembers that a call was settled, in ms: until then a settlement may be replayed. */
const SHARED_MEMORY_MS = 86_400_000
/** The same for a store in process, where nothing is replayed. */
const OWN_MEMORY_MS = 60_000

export const settledMemoryMs = ({ isShared }: Store): number => (isShared ? SHARED_MEMORY_MS : OWN_MEMORY_MS)

/** Puts what was used in place of what was reserved, with its line for the ledger. */
export function settlementOf(
  reservation: Reservation,
  used: Amounts,
  record: CallRecord,
  memoryMs: number,
): Settlement {
  const { callId, keys, windows, rules, reserved, ifAbandoned } = reservation
  const entry = entryOf(record, windows[1].startMs)
  const ends = windows.map(({ endMs }) => String(endMs))
  const moved = rules.filter(({ unit }) => reserved[unit] !== 0 || used[unit] !== 0)
  const args = [callId, ...ends, String(memoryMs), '0', JSON.stringify(record), String(moved.length)]
  for (const { window, field, unit } of moved) {
    args.push(String(window + 1), field, String(reserved[unit]), String(used[unit]))
  }
  args.push(JSON.stringify({ after: entry.sums } satisfies SumChange))
  return new CallSettlement(keys, args, entry, ifAbandoned)
}

/** What it is corrected with is written when it is asked for: by a call that was taken for abandoned, and by the spool. */
class CallSettlement implements Settlement {
  readonly keys: readonly string[]
  readonly args: readonly string[]
  readonly #entry: Entry
  readonly #ifAbandoned: Entry

  constructor(keys: readonly string[], args: readonly string[], entry: Entry, ifAbandoned: Entry) {
    this.keys = keys
    this.args = args
    this.#entry = entry
    this.#ifAbandoned = ifAbandoned
  }

  get correction(): string {
    return JSON.stringify(correction(this.#entry.record, this.#ifAbandoned.record))
  }

  get correctedSums(): string {
    return JSON.stringify({ before: this.#ifAbandoned.sums, after: this.#entry.sums } satisfies SumChange)
  }

  toJSON(): Settlement {
    const { keys, args, correction, correctedSums } = this
    return { keys, args, correction, correctedSums }
  }
}

/**
 * What a call's further attempt is settled with: nothing was reserved for it, and the store, which does not know its id,
 * charges it in full.
 *
 * @param number from 1, of the call's attempts that have a line of their own.
 */
export function attemptOf(reservation: Reservation, key: string, number: number): Reservation {
  const callId = `${reservation.callId}.${number}`
  const { windows, ifAbandoned } = reservation
  const nothing = { ...ifAbandoned, sums: { groups: [], amounts: [] } }
  const reserved = { requests: 0, tokens: 0, costNanos: 0 }
  return { ...reservation, callId, keys: callKeys(key, windows, callId), reserved, ifAbandoned: nothing }
}

/** The same for counters alone: what one process counted by itself stands in no ledger. */
export function countersOf({ keys, args }: Settlement): Settlement {
  const charges = Number(args[7])
  return { keys, args: [...args.slice(0, 6), '', ...args.slice(7, 8 + 4 * charges)], correction: '' }
}

/** What is given back, and where it was counted. */
export type Counted = Pick<Reservation, 'callId' | 'keys' | 'windows' | 'rules' | 'reserved'>

/** Takes counts back that have no line in the ledger: a fallback's, or those of a call that was not let in. */
export function giveBackOf({ callId, keys, windows, rules, reserved }: Counted): Settlement {
  const ends = windows.map(({ endMs }) => String(endMs))
  const args = [callId, ...ends, String(SHARED_MEMORY_MS), '0', '', String(rules.length)]
  for (const { window, field, unit } of rules) args.push(String(window + 1), field, String(reserved[unit]), '0')
  return { keys, args, correction: '' }
}

export async function settle(store: Store, settlement: Settlement): Promise<void> {
  const { keys, args } = settlement
  const [word] = await store.run(SETTLE, keys, args)
  if (word !== 'abandoned') return
  const { correction: record, correctedSums } = settlement
  const charges = correctedSums === undefined ? args.slice(7) : [...args.slice(7, -1), correctedSums]
  await store.run(SETTLE, keys, [...args.slice(0, 5), '1', record, ...charges])
}
