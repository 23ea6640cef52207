import type { Answer } from '../http.ts'
import { type Finding, findings } from './finding.ts'

/** A clock that is off by more makes certificates and signed requests fail, and days of quotas begin at another time. */
const [CLOCK_WARN_MS, CLOCK_FAIL_MS] = [5_000, 60_000]

/** Compares a service's clock, by the time in its answer or its Date header, with this machine's. @param who as in "the relay". */
export function checkClock(host: string, { body, headers, at, headMs }: Answer, who: string): Finding {
  const { ok, warn, fail } = findings('clock', host)
  const told = Date.parse(timestampOf(body) ?? headers.date ?? '')
  const offMs = told - (at - headMs / 2)
  if (Number.isNaN(offMs)) return warn(`${who} does not tell its time`, 'see what answers at that address')
  const detail = `${(Math.abs(offMs) / 1000).toFixed(1)} s ${offMs > 0 ? 'ahead of' : 'behind'} ours`
  const todo = 'start chrony on both machines: `timedatectl` shows which is wrong'
  if (Math.abs(offMs) > CLOCK_FAIL_MS) return fail(detail, todo)
  return Math.abs(offMs) > CLOCK_WARN_MS ? warn(detail, todo) : ok(detail)
}

function timestampOf(body: Buffer): string | undefined {
  try {
    const { timestamp } = JSON.parse(body.toString()) as { timestamp?: unknown }
    return typeof timestamp === 'string' ? timestamp : undefined
  } catch {
    return undefined
  }
}
