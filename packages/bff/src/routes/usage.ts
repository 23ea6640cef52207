import { FerryError } from '@llm-ferry/sdk'
import { type AdminUsageBreakdown as Breakdown, USAGE_BREAKDOWNS } from '@llm-ferry/sdk/schema'
import { DateTime } from 'luxon'
import { z } from 'zod'
import type { Context, Middleware } from '../context.ts'
import { toCsv } from '../ledger/csv.ts'
import { type Report, type ReportQuery, type UsageRow, usageReport } from '../ledger/report.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'

export interface UsageOptions {
  readonly store: Store
  /** IANA name; days are days there. */
  readonly quotaTimezone: string
}

/** Most days in one report. */
const MAX_DAYS = 92

/** Lines of one report, over all days. */
const MAX_LINES = 100_000

/** Most lines a day, those with the most calls; the others are summed up in one. */
export const linesADay: z.ZodType<number> = z.coerce.number().int().min(1).max(10_000).default(1000)

const day = z.iso.date('must be a day such as 2026-11-22')
const querySchema = z.strictObject({
  from: day.optional(),
  to: day.optional(),
  by: z.enum(USAGE_BREAKDOWNS).default('day'),
  limit: linesADay,
  format: z.enum(['json', 'csv']).default('json'),
})

/** `GET /v1/usage?from=&to=&by=day|hour|model|user&limit=&format=json|csv`: what the caller's key used. Default: today. */
export function usage(options: UsageOptions): Middleware {
  return async function usage(context) {
    const { from, to, by, limit, format } = parseQuery(querySchema, context.query)
    const { caller } = context.state
    const days = daysOf(from, to, options.quotaTimezone)
    if (caller.isSession && by === 'hour') {
      throw new FerryError('invalid_request', '`by`: an end user’s hours are not kept: ask by day or model', {
        param: 'by',
      })
    }
    const user = caller.isSession ? caller.user : undefined
    const { rows, others } = await report(options.store, { keys: [caller.key], days, by, user }, limit)
    answerUsage(context, { rows: rows.map(({ key: _, ...row }) => row), others, days, by, format }, options)
  }
}

/** Checks a query. @throws {FerryError} naming the parameter at fault. */
export function parseQuery<T>(schema: z.ZodType<T>, query: unknown): T {
  const result = schema.safeParse({ ...(query as object) })
  if (result.success) return result.data
  const [issue] = result.error.issues
  const param = issue?.path.join('.') || undefined
  throw new FerryError('invalid_request', `The query’s ${param ?? 'parameters'}: ${issue?.message}`, { param })
}

/** The days of a report, today where none is named. */
export function daysOf(from: string | undefined, to: string | undefined, quotaTimezone: string): readonly string[] {
  const today = DateTime.now().setZone(quotaTimezone).toISODate() ?? ''
  return daysBetween(from ?? to ?? today, to ?? today)
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

/**
 * The lines of a report.
 *
 * @param limit most lines a day.
 * @throws {FerryError} `overloaded` while the store is away; `invalid_request` for more lines than one report has.
 */
export async function report(store: Store, query: ReportQuery, limit: number): Promise<Report> {
  if (limit * query.days.length > MAX_LINES) {
    const most = Math.floor(MAX_LINES / query.days.length)
    throw new FerryError('invalid_request', `\`limit\`: at most ${most} for ${query.days.length} days`, {
      param: 'limit',
    })
  }
  try {
    return await usageReport(store, query, limit)
  } catch (cause) {
    if (!(cause instanceof StoreUnavailable)) throw cause
    throw new FerryError('overloaded', 'Usage cannot be read at the moment', { retryAfterMs: 1000, cause })
  }
}

/** A report to be answered. */
export interface Answer extends Report {
  readonly rows: readonly (UsageRow & { readonly key_name?: string })[]
  readonly days: readonly string[]
  readonly by: Breakdown
  readonly format: 'json' | 'csv'
}

/** Answers with a report, as JSON or as CSV. */
export function answerUsage(
  context: Context,
  { rows, others, days, by, format }: Answer,
  { quotaTimezone }: Pick<UsageOptions, 'quotaTimezone'>,
): void {
  const data = rows.map(toAnswer)
  if (format === 'csv') {
    const labels = rows.some(({ key }) => key !== undefined) ? ALL_LABELS[by] : LABELS[by]
    context.type = 'text/csv; charset=utf-8'
    context.body = toCsv([...labels, ...AMOUNTS], [...data, ...others.map(toAnswer)])
    return
  }
  const cut = others.length > 0 && { others: others.map(toAnswer) }
  context.body = { object: 'list', from: days[0], to: days.at(-1), timezone: quotaTimezone, by, data, ...cut }
}

const LABELS: Readonly<Record<Breakdown, readonly string[]>> = {
  day: ['day'],
  hour: ['day', 'hour', 'vendor', 'model'],
  model: ['day', 'vendor', 'model'],
  user: ['day', 'user', 'vendor', 'model'],
  key: ['day', 'key', 'key_name'],
}

/** The same where there are several keys. */
const ALL_LABELS: typeof LABELS = { ...LABELS, user: ['day', 'key', 'key_name', 'user', 'vendor', 'model'] }

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

function toAnswer(row: Answer['rows'][number]): Record<string, unknown> {
  const { day, key, key_name, hour, user, vendor, model } = row
  return {
    day,
    ...(key !== undefined && { key }),
    ...(key_name !== undefined && { key_name }),
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
