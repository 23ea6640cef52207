import { DateTime, IANAZone } from 'luxon'

/** A stretch of time in which something is counted. */
export interface Window {
  /** Stands in the counters' keys, so that a new window begins with new counters. */
  readonly name: string
  readonly startMs: number
  /** First millisecond after it. */
  readonly endMs: number
}

/** The minute, day and month that a moment lies in, in this order. */
export type Windows = readonly [minute: Window, day: Window, month: Window]

/** Finds the windows of a moment, in ms since 1970. While they stay the same, so does the list. */
export type Calendar = (nowMs: number) => Windows

const MINUTE_MS = 60_000

/**
 * Days and months of a time zone, with those days of 23 and 25 hours that it has; minutes are the same everywhere.
 *
 * @param zone an IANA name, such as `Asia/Shanghai`; see {@link parseTimeZone}.
 */
export function createCalendar(zone: string): Calendar {
  let day = calendarWindow(0, zone, 'day', 'yyyy-MM-dd')
  let month = calendarWindow(0, zone, 'month', 'yyyy-MM')
  let current: Windows = [minuteWindow(0), day, month]
  return (nowMs) => {
    if (current.every((window) => within(window, nowMs))) return current
    if (!within(day, nowMs)) day = calendarWindow(nowMs, zone, 'day', 'yyyy-MM-dd')
    if (!within(month, nowMs)) month = calendarWindow(nowMs, zone, 'month', 'yyyy-MM')
    current = [minuteWindow(nowMs), day, month]
    return current
  }
}

function minuteWindow(nowMs: number): Window {
  const number = Math.floor(nowMs / MINUTE_MS)
  return { name: String(number), startMs: number * MINUTE_MS, endMs: (number + 1) * MINUTE_MS }
}

function calendarWindow(nowMs: number, zone: string, unit: 'day' | 'month', format: string): Window {
  const start = DateTime.fromMillis(nowMs, { zone }).startOf(unit)
  return { name: start.toFormat(format), startMs: start.toMillis(), endMs: start.plus({ [unit]: 1 }).toMillis() }
}

const within = ({ startMs, endMs }: Window, nowMs: number): boolean => nowMs >= startMs && nowMs < endMs

/** Checks the name of a time zone. Throws an Error that completes "NAME …". */
export function parseTimeZone(name: string): string {
  if (IANAZone.isValidZone(name)) return name
  throw new Error('must be an IANA time zone such as Asia/Shanghai or UTC')
}
