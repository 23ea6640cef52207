import type { CallRecord } from './record.ts'
import { type UsageSums, usageSums } from './usage-fields.ts'

const HOUR_MS = 3_600_000

/** What is written of a call: its line, and what it adds to which sums. */
export interface Entry {
  readonly record: CallRecord
  readonly sums: UsageSums
}

/** @param dayStartMs start of the day that the call was let in. */
export function entryOf(record: CallRecord, dayStartMs: number): Entry {
  const hour = Math.max(0, Math.floor((Date.parse(record.at) - dayStartMs) / HOUR_MS))
  return { record, sums: usageSums(record, hour) }
}
