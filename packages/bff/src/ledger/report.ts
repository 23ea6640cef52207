import type { AdminUsageBreakdown as Breakdown } from '@llm-ferry/sdk/schema'
import { usageKey } from '../limits/keys.ts'
import type { Store } from '../store/store.ts'
import { sumsOf, topUsers } from './top-users.ts'
import { MEASURES, type Measure, parseField, prefixOf } from './usage-fields.ts'

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

/** A report’s lines, oldest day first. */
export interface Report {
  readonly rows: readonly UsageRow[]
  /** What is in no line of a day, where a day has more lines than were asked for. */
  readonly others: readonly UsageRow[]
}

/** Keys whose sums are asked for at once. */
const BATCH = 100
/** The same where each has many users. */
const BATCH_OF_USERS = 4

type Amounts = Map<Measure, number>

interface Row {
  readonly labels: Labels
  readonly amounts: Amounts
}

/**
 * What keys used on some days; days without a call have no line.
 *
 * @param limit most lines a day: those with the most calls.
 * @throws {StoreUnavailable}
 */
export async function usageReport(store: Store, query: ReportQuery, limit: number): Promise<Report> {
  const [rows, others]: [UsageRow[], UsageRow[]] = [[], []]
  for (const day of query.days) {
    const report = new DayReport(query, limit)
    const batch = query.by === 'user' ? BATCH_OF_USERS : BATCH
    for (let i = 0; i < query.keys.length; i += batch) {
      await Promise.all(query.keys.slice(i, i + batch).map((key) => report.read(store, key, usageKey(key, day))))
    }
    rows.push(...report.rows.map(({ labels, amounts }) => toRow(day, labels, amounts)).sort(inOrder))
    if (report.isCut) others.push(toRow(day, {}, report.others))
  }
  return { rows, others }
}

/** One day’s lines. No more than twice as many as asked for are held, however many users there are. */
class DayReport {
  readonly #query: ReportQuery
  readonly #limit: number
  readonly #total: Amounts = new Map()
  #rows = new Map<string, Row>()
  #isCut = false

  constructor(query: ReportQuery, limit: number) {
    this.#query = query
    this.#limit = limit
  }

  get rows(): readonly Row[] {
    this.#cut()
    return [...this.#rows.values()]
  }

  get isCut(): boolean {
    return this.#isCut
  }

  /** What is in none of the lines. */
  get others(): Amounts {
    const others = new Map(this.#total)
    for (const { amounts } of this.rows) addAll(others, amounts, -1)
    // A call that was settled while the lines were read may stand in one of the two alone.
    for (const [measure, amount] of others) others.set(measure, Math.max(0, amount))
    return others
  }

  /** @param sums key of the sums of `key`. */
  async read(store: Store, key: string, sums: string): Promise<void> {
    const { by, user } = this.#query
    if (by === 'user' && user === undefined) await this.#readTop(store, key, sums)
    else await this.#readAll(store, key, sums, user === undefined ? prefixOf('hour') : prefixOf('user', user))
    if (this.#rows.size >= this.#limit * 2) this.#cut()
  }

  async #readAll(store: Store, key: string, sums: string, prefix: string): Promise<void> {
    const fields = await scanned(store, sums, prefix)
    addAll(this.#total, totalOf(fields), 1)
    this.#add(key, fields)
  }

  async #readTop(store: Store, key: string, sums: string): Promise<void> {
    const { groups, isCut } = await topUsers(store, sums, this.#limit)
    if (groups.length === 0) return
    const fields = await sumsOf(store, sums, groups)
    this.#isCut ||= isCut
    // Hours sum up the same calls as users do, and are few.
    addAll(this.#total, totalOf(isCut ? await scanned(store, sums, prefixOf('hour')) : fields), 1)
    this.#add(key, fields)
  }

  #add(key: string, fields: ReadonlyMap<string, number>): void {
    for (const [field, amount] of fields) {
      const sum = parseField(field)
      if (sum === undefined) continue
      const labels = labelsOf(key, sum, this.#query.by)
      const id = JSON.stringify(labels)
      const row = this.#rows.get(id) ?? { labels, amounts: new Map() }
      addTo(row.amounts, sum.measure, amount)
      this.#rows.set(id, row)
    }
  }

  #cut(): void {
    if (this.#rows.size <= this.#limit) return
    this.#isCut = true
    const byCalls = [...this.#rows].sort(([, a], [, b]) => callsOf(b) - callsOf(a))
    this.#rows = new Map(byCalls.slice(0, this.#limit))
  }
}

const callsOf = ({ amounts }: Row): number => amounts.get('calls') ?? 0

async function scanned(store: Store, key: string, prefix: string): Promise<ReadonlyMap<string, number>> {
  const fields = new Map<string, number>()
  await store.scanSums(key, prefix, (field, amount) => fields.set(field, amount))
  return fields
}

function totalOf(fields: ReadonlyMap<string, number>): Amounts {
  const total: Amounts = new Map()
  for (const [field, amount] of fields) {
    const sum = parseField(field)
    if (sum) addTo(total, sum.measure, amount)
  }
  return total
}

function addAll(to: Amounts, amounts: Amounts, sign: 1 | -1): void {
  for (const [measure, amount] of amounts) addTo(to, measure, sign * amount)
}

function addTo(to: Amounts, measure: Measure, amount: number): void {
  to.set(measure, (to.get(measure) ?? 0) + amount)
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
