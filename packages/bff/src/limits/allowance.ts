import type { Windows } from './calendar.ts'
import type { LimitName, LimitUnit, Rule } from './policy.ts'

/** What one limit leaves to its caller. */
export interface Allowance {
  readonly name: LimitName
  readonly unit: LimitUnit
  readonly limit: number
  readonly remaining: number
  /** Time until the count starts anew, in ms; `undefined` where it does not: streams at once. */
  readonly resetMs: number | undefined
}

/** What each limited rule leaves after its count. */
export function allowances(
  rules: readonly Rule[],
  counts: readonly number[],
  windows: Windows,
  nowMs: number,
): Allowance[] {
  return rules.flatMap(({ name, unit, limit, window }, i) => {
    if (limit === undefined) return []
    const remaining = Math.max(0, limit - (counts[i] ?? 0))
    return [{ name, unit, limit, remaining, resetMs: windows[window].endMs - nowMs }]
  })
}

/** The one that its caller meets first. */
function tightest(all: readonly Allowance[], unit: LimitUnit): Allowance | undefined {
  return all
    .filter((one) => one.unit === unit)
    .reduce<Allowance | undefined>(
      (best, one) => (best === undefined || one.remaining < best.remaining ? one : best),
      undefined,
    )
}

/** `x-ratelimit-*` headers, as OpenAI names and writes them: the tightest limit of requests, and of tokens. */
export function rateLimitHeaders(all: readonly Allowance[]): Record<string, string> {
  return { ...headersOf(tightest(all, 'requests'), 'requests'), ...headersOf(tightest(all, 'tokens'), 'tokens') }
}

function headersOf(allowance: Allowance | undefined, unit: string): Record<string, string> {
  if (allowance?.resetMs === undefined) return {}
  return {
    [`x-ratelimit-limit-${unit}`]: String(allowance.limit),
    [`x-ratelimit-remaining-${unit}`]: String(allowance.remaining),
    [`x-ratelimit-reset-${unit}`]: `${(allowance.resetMs / 1000).toFixed(3)}s`,
  }
}
