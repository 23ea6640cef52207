import type { AdminUsageBreakdown as Breakdown } from '@llm-ferry/sdk/schema'
import { usageKey } from '../limits/keys.ts'
import type { Store } from '../store/store.ts'
import { MEASURES, type Measure, parseField } from './usage-fields.ts'

/** What a report is about. */
export interface ReportQuery {
  /** Ids. */
  readonly keys: readonly string[]
  readonly days: readonly string[]
  readonly by: Breakdown
  /** One end user alone; their hours are not known. */
  readonly user?: string | undefined
}

/** One line of a report. */
export interface UsageRow extends Readonly<Record<Measure, number>> {
  /** `2026-11-22`, a day of QUOTA_TIMEZONE. */
  readonly day: string
  /** Id; by key and by user. */
  readonly key?: string
  /** Hours since that day’s midnight. */
  readonly hour?: number
  readonly user?: string
  readonly vendor?: string
  readonly model?: string
}

type Labels = Pick<UsageRow, 'key' | 'hour' | 'user' | 'vendor' | 'model'>

/** Sums that are asked for at once. */
const BATCH = 500

/** What keys used on some days, oldest first; days without a call have no line. @throws {StoreUnavailable} */
export async function usageReport(store: Store, query: ReportQuery): Promise<UsageRow[]> {
  const rows: UsageRow[] = []
  for (const day of query.days) rows.push(...(await rowsOf(store, day, query)))
  return rows
}

interface Row {
  readonly labels: Labels
  readonly amounts: Map<Measure, number>
}

async function rowsOf(store: Store, day: string, query: ReportQuery): Promise<UsageRow[]> {
  const rows = new Map<string, Row>()
  for (let i = 0; i < query.keys.length; i += BATCH) {
    const keys = query.keys.slice(i, i + BATCH)
    const sums = await Promise.all(keys.map((key) => store.sums(usageKey(key, day))))
    keys.forEach((key, at) => void add(rows, key, sums[at] ?? new Map(), query))
  }
  return [...rows.values()].map(({ labels, amounts }) => toRow(day, labels, amounts)).sort(inOrder)
}

function add(rows: Map<string, Row>, key: string, sums: ReadonlyMap<string, number>, { by, user }: ReportQuery): void {
  const kind = by === 'user' || user !== undefined ? 'user' : 'hour'
  for (const [field, amount] of sums) {
    const group = parseField(field)
    if (group === undefined || group.by !== kind || (user !== undefined && group.of !== user)) continue
    const labels = labelsOf(key, group, by)
    const id = JSON.stringify(labels)
    const row = rows.get(id) ?? { labels, amounts: new Map() }
    row.amounts.set(group.measure, (row.amounts.get(group.measure) ?? 0) + amount)
    rows.set(id, row)
  }
}

function labelsOf(
  key: string,
  { of, vendor, model }: { of: string; vendor: string; model: string },
  by: Breakdown,
): Labels {
  switch (by) {
    case 'day':
      return {}
    case 'key':
      return { key }
    case 'model':
      return { vendor, model }
    case 'hour':
      return { hour: Number(of), vendor, model }
    case 'user':
      return { key, user: of, vendor, model }
  }
}

function toRow(day: string, labels: Labels, amounts: ReadonlyMap<Measure, number>): UsageRow {
  const measures = Object.fromEntries(MEASURES.map((measure) => [measure, amounts.get(measure) ?? 0]))
  return { day, ...labels, ...(measures as Record<Measure, number>) }
}

function inOrder(a: UsageRow, b: UsageRow): number {
  const name = ({ key, user, vendor, model }: UsageRow): string => JSON.stringify([key, user, vendor, model])
  return (a.hour ?? 0) - (b.hour ?? 0) || (name(a) < name(b) ? -1 : 1)
}
