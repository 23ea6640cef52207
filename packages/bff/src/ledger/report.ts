import { usageKey } from '../limits/keys.ts'
import type { Store } from '../store/store.ts'
import { MEASURES, type Measure, parseField } from './usage-fields.ts'

/** How finely a report is broken down: whole days, or also by hour, model or end user. */
export const BREAKDOWNS = ['day', 'hour', 'model', 'user'] as const
export type Breakdown = (typeof BREAKDOWNS)[number]

/** One line of a report. */
export interface UsageRow extends Readonly<Record<Measure, number>> {
  /** `2026-11-22`, a day of QUOTA_TIMEZONE. */
  readonly day: string
  /** Hours since that day’s midnight. */
  readonly hour?: number
  readonly user?: string
  readonly vendor?: string
  readonly model?: string
}

type Labels = Pick<UsageRow, 'hour' | 'user' | 'vendor' | 'model'>

/** What a key used on some days, oldest first; days without a call have no line. @throws {StoreUnavailable} */
export async function usageReport(
  store: Store,
  key: string,
  days: readonly string[],
  by: Breakdown,
): Promise<UsageRow[]> {
  const sums = await Promise.all(days.map((day) => store.sums(usageKey(key, day))))
  return days.flatMap((day, i) => rowsOf(day, sums[i] ?? new Map(), by))
}

function rowsOf(day: string, sums: ReadonlyMap<string, number>, by: Breakdown): UsageRow[] {
  const rows = new Map<string, { labels: Labels; amounts: Map<Measure, number> }>()
  for (const [field, amount] of sums) {
    const group = parseField(field)
    if (group === undefined || group.by !== (by === 'user' ? 'user' : 'hour')) continue
    const labels = labelsOf(group, by)
    const id = JSON.stringify(labels)
    const row = rows.get(id) ?? { labels, amounts: new Map() }
    row.amounts.set(group.measure, (row.amounts.get(group.measure) ?? 0) + amount)
    rows.set(id, row)
  }
  return [...rows.values()].map(({ labels, amounts }) => toRow(day, labels, amounts)).sort(inOrder)
}

function labelsOf({ of, vendor, model }: { of: string; vendor: string; model: string }, by: Breakdown): Labels {
  if (by === 'day') return {}
  if (by === 'model') return { vendor, model }
  return by === 'hour' ? { hour: Number(of), vendor, model } : { user: of, vendor, model }
}

function toRow(day: string, labels: Labels, amounts: ReadonlyMap<Measure, number>): UsageRow {
  const measures = Object.fromEntries(MEASURES.map((measure) => [measure, amounts.get(measure) ?? 0]))
  return { day, ...labels, ...(measures as Record<Measure, number>) }
}

function inOrder(a: UsageRow, b: UsageRow): number {
  const name = ({ user, vendor, model }: UsageRow): string => JSON.stringify([user, vendor, model])
  return (a.hour ?? 0) - (b.hour ?? 0) || (name(a) < name(b) ? -1 : 1)
}
