import type { CallRecord } from './record.ts'
import { usageFields } from './usage-fields.ts'

const HOUR_MS = 3_600_000

/** What is written of a call: its line, and what it adds to which sums. */
export interface Entry {
  readonly record: CallRecord
  readonly fields: readonly (readonly [field: string, amount: number])[]
}

/** @param dayStartMs start of the day that the call was let in. */
export function entryOf(record: CallRecord, dayStartMs: number): Entry {
  const hour = Math.max(0, Math.floor((Date.parse(record.at) - dayStartMs) / HOUR_MS))
  return { record, fields: usageFields(record, hour) }
}
