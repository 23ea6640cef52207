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
  const hour = Math.max(0, Math.floor((minuteOf(record.at) - dayStartMs) / HOUR_MS))
  return { record, sums: usageSums(record, hour) }
}

let lastMinute = ''
let lastMs = 0

/** When the minute of an ISO time began, in ms since 1970. Calls of one minute come one after the other. */
function minuteOf(at: string): number {
  const minute = at.slice(0, 'yyyy-mm-ddThh:mm'.length)
  if (minute !== lastMinute) {
    lastMinute = minute
    lastMs = Date.parse(`${minute}Z`)
  }
  return lastMs
}
