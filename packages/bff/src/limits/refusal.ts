import { FerryError } from '@llm-ferry/sdk'
import type { Allowance } from './allowance.ts'
import type { LimitName } from './policy.ts'

/** A reset further away than this is not waited for: an SDK would sleep for hours, or knock until then. */
const WORTH_WAITING_MS = 60_000
/** When to try again for a stream, as nobody knows when one ends. */
const STREAM_RETRY_MS = 1000

/** A limit refused the call; nothing was counted. */
export class LimitRefusal extends FerryError {
  /** The limit that takes longest to let the call pass. */
  readonly refusedBy: Allowance
  /** All limits that were asked. */
  readonly allowances: readonly Allowance[]

  constructor(refusedBy: Allowance, allowances: readonly Allowance[], isHopeless: boolean) {
    const waitMs = isHopeless ? undefined : waitOf(refusedBy)
    super(waitMs === undefined ? 'quota_exceeded' : 'rate_limit_exceeded', message(refusedBy, isHopeless), {
      retryAfterMs: waitMs,
    })
    this.refusedBy = refusedBy
    this.allowances = allowances
  }

  /** The limit, as the answer’s body tells it. */
  details(): LimitDetails {
    const { name, unit, limit, remaining, resetMs } = this.refusedBy
    const scale = unit === 'costNanos' ? 1e9 : 1
    const reset_seconds = resetMs === undefined ? null : Math.ceil(resetMs / 1000)
    return { name, limit: limit / scale, remaining: remaining / scale, reset_seconds }
  }
}

/** Which limit refused a call, in requests, tokens, US dollars or streams. */
export interface LimitDetails {
  readonly name: LimitName
  readonly limit: number
  readonly remaining: number
  /** Time until the count starts anew; null for streams, which end when they end. */
  readonly reset_seconds: number | null
}

/** What a limit refused, as it could not tell by its count alone. */
export interface Refused {
  readonly allowance: Allowance
  /** What the call wanted of it. */
  readonly amount: number
}

/**
 * The error for a call that limits refused: `rate_limit_exceeded` with a time to wait when it passes within a minute,
 * else `quota_exceeded`, which nobody repeats.
 */
export function refusal(refused: readonly [Refused, ...Refused[]], all: readonly Allowance[]): LimitRefusal {
  const hopeless = refused.find(({ allowance, amount }) => allowance.unit !== 'requests' && amount > allowance.limit)
  const last = refused.reduce((a, b) => ((b.allowance.resetMs ?? 0) > (a.allowance.resetMs ?? 0) ? b : a))
  return new LimitRefusal((hopeless ?? last).allowance, all, hopeless !== undefined)
}

function waitOf({ resetMs }: Allowance): number | undefined {
  if (resetMs === undefined) return STREAM_RETRY_MS
  return resetMs <= WORTH_WAITING_MS ? resetMs : undefined
}

const WORDS: Readonly<Record<LimitName, string>> = {
  requests_per_minute: 'requests a minute for this end user and vendor',
  requests_per_day: 'requests a day for this end user and vendor',
  key_requests_per_minute: 'requests a minute for this key',
  key_requests_per_day: 'requests a day for this key',
  tokens_per_minute: 'tokens a minute for this key',
  tokens_per_day: 'tokens a day for this key',
  cost_per_day: 'US dollars a day for this key',
  cost_per_month: 'US dollars a month for this key',
  streams: 'streams at once for this key',
  user_tokens_per_minute: 'tokens a minute for the user of this session token',
  user_tokens_per_day: 'tokens a day for the user of this session token',
  user_cost_per_day: 'US dollars a day for the user of this session token',
  user_cost_per_month: 'US dollars a month for the user of this session token',
}

function message({ name, unit, limit, remaining, resetMs }: Allowance, isHopeless: boolean): string {
  const amount = (value: number): string => (unit === 'costNanos' ? (value / 1e9).toFixed(4) : String(value))
  const what = `${name}: ${amount(limit)} ${WORDS[name]}, ${amount(remaining)} left`
  if (isHopeless) return `${what}; this call alone may take more: ask for fewer output tokens or send a shorter prompt`
  return resetMs === undefined ? `${what}; end one first` : `${what}; the count starts anew in ${duration(resetMs)}`
}

function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  if (seconds <= 120) return `${seconds} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes <= 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`
}
