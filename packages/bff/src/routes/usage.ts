import { FerryError } from '@llm-ferry/sdk'
import { DateTime } from 'luxon'
import { z } from 'zod'
import type { Middleware } from '../context.ts'
import { toCsv } from '../ledger/csv.ts'
import { BREAKDOWNS, type Breakdown, type UsageRow, usageReport } from '../ledger/report.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'

export interface UsageOptions {
  readonly store: Store
  /** IANA name; days are days there. */
  readonly quotaTimezone: string
}

/** Most days in one report. */
const MAX_DAYS = 92

const day = z.iso.date('must be a day such as 2026-11-22')
const querySchema = z.strictObject({
  from: day.optional(),
  to: day.optional(),
  by: z.enum(BREAKDOWNS).default('day'),
  format: z.enum(['json', 'csv']).default('json'),
})

/** `GET /v1/usage?from=&to=&by=day|hour|model|user&format=json|csv`: what the caller's key used. Default: today. */
export function usage({ store, quotaTimezone }: UsageOptions): Middleware {
  return async function usage(context) {
    const { from, to, by, format } = parseQuery(context.query)
    const today = DateTime.now().setZone(quotaTimezone).toISODate() ?? ''
    const days = daysBetween(from ?? to ?? today, to ?? today)
    const rows = (await report(store, context.state.caller.key, days, by)).map(toAnswer)
    if (format === 'csv') {
      context.type = 'text/csv; charset=utf-8'
      context.body = toCsv([...LABELS[by], ...AMOUNTS], rows)
      return
    }
    context.body = { object: 'list', from: days[0], to: days.at(-1), timezone: quotaTimezone, by, data: rows }
  }
}

function parseQuery(query: unknown): z.infer<typeof querySchema> {
  const result = querySchema.safeParse({ ...(query as object) })
  if (result.success) return result.data
  const [issue] = result.error.issues
  const param = issue?.path.join('.') || undefined
  throw new FerryError('invalid_request', `The query’s ${param ?? 'parameters'}: ${issue?.message}`, { param })
}

function daysBetween(from: string, to: string): string[] {
  const first = DateTime.fromISO(from, { zone: 'utc' })
  const count = DateTime.fromISO(to, { zone: 'utc' }).diff(first, 'days').days + 1
  if (count < 1) throw new FerryError('invalid_request', '`from` is after `to`', { param: 'from' })
  if (count > MAX_DAYS) {
    throw new FerryError('invalid_request', `More than ${MAX_DAYS} days: ask for fewer at a time`, { param: 'from' })
  }
  return Array.from({ length: count }, (_, i) => first.plus({ days: i }).toISODate() ?? '')
}

async function report(store: Store, key: string, days: readonly string[], by: Breakdown): Promise<UsageRow[]> {
  try {
    return await usageReport(store, key, days, by)
  } catch (cause) {
    if (!(cause instanceof StoreUnavailable)) throw cause
    throw new FerryError('overloaded', 'Usage cannot be read at the moment', { retryAfterMs: 1000, cause })
  }
}

const LABELS: Readonly<Record<Breakdown, readonly string[]>> = {
  day: ['day'],
  hour: ['day', 'hour', 'vendor', 'model'],
  model: ['day', 'vendor', 'model'],
  user: ['day', 'user', 'vendor', 'model'],
}

const AMOUNTS = [
  'calls',
  'failed_calls',
  'estimated_calls',
  'unpriced_calls',
  'prompt_tokens',
  'cached_tokens',
  'completion_tokens',
  'reasoning_tokens',
  'cache_hits',
  'saved_usd',
  'cost_usd',
] as const

function toAnswer(row: UsageRow): Record<string, unknown> {
  const { day, hour, user, vendor, model } = row
  return {
    day,
    ...(hour !== undefined && { hour }),
    ...(user !== undefined && { user }),
    ...(vendor !== undefined && { vendor }),
    ...(model !== undefined && { model }),
    calls: row.calls,
    failed_calls: row.failed,
    estimated_calls: row.estimated,
    unpriced_calls: row.unpriced,
    prompt_tokens: row.promptTokens,
    cached_tokens: row.cachedTokens,
    completion_tokens: row.completionTokens,
    reasoning_tokens: row.reasoningTokens,
    cache_hits: row.cacheHits,
    saved_usd: row.savedNanos / 1e9,
    cost_usd: row.costNanos / 1e9,
  }
}
