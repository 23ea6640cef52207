import { Call } from './call.ts'
import { FerryError } from './errors.ts'
import { userOfHeader } from './leave.ts'
import type { CallOptions, Settings } from './options.ts'
import type { UsageBreakdown, UsageReport, UsageRow } from './schema/usage-report.ts'

/** Which days to report, and how finely. */
export interface UsageParams<By extends UsageBreakdown = UsageBreakdown> {
  /** First day, such as `2026-11-01`, in the server's QUOTA_TIMEZONE. Default: `to`. At most 92 days before `to`. */
  readonly from?: string | undefined
  /** Last day, included. Default: today. */
  readonly to?: string | undefined
  /** `day` (default), or each day by `hour`, `model` or `user`. */
  readonly by?: By | undefined
  /** Most lines a day, those with the most calls; the others are summed up in `others`. Default 1000, at most 10000. */
  readonly limit?: number | undefined
}

/** The labels that each breakdown puts on its lines. */
interface Labels {
  readonly day: 'day'
  readonly hour: 'day' | 'hour' | 'vendor' | 'model'
  readonly model: 'day' | 'vendor' | 'model'
  readonly user: 'day' | 'user' | 'vendor' | 'model'
}
type AnyLabel = Labels[UsageBreakdown]

/** A line of a report that was asked for by `By`. */
export type UsageRowBy<By extends UsageBreakdown> = {
  [Label in Labels[By]]: NonNullable<UsageRow[Label]>
} & Omit<UsageRow, AnyLabel>

/** What a key used. */
export interface UsageReportBy<By extends UsageBreakdown> extends Omit<UsageReport, 'by' | 'data'> {
  readonly by: By
  /** Oldest first; days without a call have no line. */
  readonly data: UsageRowBy<By>[]
}

export async function reportUsage<By extends UsageBreakdown>(
  settings: Settings,
  { from, to, by, limit }: UsageParams<By> = {},
  options?: CallOptions,
): Promise<UsageReportBy<By>> {
  const most = limit === undefined ? {} : { limit: String(limit) }
  const query = new URLSearchParams({ ...(from && { from }), ...(to && { to }), ...(by && { by }), ...most })
  const path = query.size > 0 ? `/v1/usage?${query}` : '/v1/usage'
  const { value, meta } = await new Call(settings, { method: 'GET', path }, options).json()
  if (isReport<By>(value)) return { ...value, data: value.data.map(withUser) }
  const { requestId } = meta
  throw new FerryError('upstream_invalid', 'The answer is no usage report; is `baseURL` right?', { requestId })
}

function isReport<By extends UsageBreakdown>(value: unknown): value is UsageReportBy<By> {
  return typeof value === 'object' && value !== null && 'data' in value && Array.isArray(value.data)
}

// The end user is reported as the header carried it.
function withUser<Row extends object>(row: Row): Row {
  return !('user' in row) || typeof row.user !== 'string' ? row : { ...row, user: userOfHeader(row.user) }
}
