import type { CallRecord } from './record.ts'

/** What is summed up. Costs are in billionths of a US dollar. */
export const MEASURES = [
  'calls',
  'failed',
  'estimated',
  'unpriced',
  'cacheHits',
  'promptTokens',
  'cachedTokens',
  'completionTokens',
  'reasoningTokens',
  'costNanos',
  'savedNanos',
] as const
export type Measure = (typeof MEASURES)[number]

/** What one sum is about: an hour of the day, or an end user; with vendor and model. */
export interface Group {
  readonly by: 'hour' | 'user'
  /** Hours since midnight, or the end user. */
  readonly of: string
  readonly vendor: string
  readonly model: string
}

/** What a field’s name says. */
export interface Sum extends Group {
  readonly measure: Measure
  /** The beginning of the field’s name, which all measures of the group share: see {@link fieldOf}. */
  readonly group: string
}

/** What a record adds to the sums: the same amounts in each group. */
export interface UsageSums {
  /** Beginnings of fields: see {@link fieldOf}. */
  readonly groups: readonly string[]
  /** Only those that are not 0. */
  readonly amounts: readonly (readonly [measure: Measure, amount: number])[]
}

export function usageSums(record: CallRecord, hour: number): UsageSums {
  const { user, vendor, model } = record
  const amounts: [Measure, number][] = []
  for (const measure of MEASURES) {
    const amount = amountOf(record, measure)
    if (amount !== 0) amounts.push([measure, amount])
  }
  return { groups: [groupOf('hour', String(hour), vendor, model), groupOf('user', user, vendor, model)], amounts }
}

/** A field's name but for its measure and {@link FIELD_END}. */
function groupOf(by: Group['by'], of: string, vendor: string, model: string): string {
  return `${JSON.stringify([by, of, vendor, model]).slice(0, -1)},"`
}

/** What stands behind the measure in a field's name. */
export const FIELD_END: string = '"]'

/** Where the names of all sums by hour, or by end user, begin: of one of them where it is named. */
export function prefixOf(by: Group['by'], of?: string): string {
  return `${JSON.stringify(of === undefined ? [by] : [by, of]).slice(0, -1)},`
}

/** The name of a sum: a list in JSON. Scripts put it together as well. */
export function fieldOf(group: string, measure: string): string {
  return group + measure + FIELD_END
}

function amountOf(record: CallRecord, measure: Measure): number {
  const { kind } = record
  const isCall = kind === 'call'
  switch (measure) {
    case 'calls':
      return isCall ? 1 : 0
    case 'failed':
      return changed(kind, record.outcome !== 'completed')
    case 'estimated':
      return changed(kind, record.estimated)
    case 'unpriced':
      return isCall && record.costNanos === null ? 1 : 0
    case 'cacheHits':
      return isCall && record.cache === 'hit' ? 1 : 0
    case 'savedNanos':
      return record.savedNanos ?? 0
    case 'costNanos':
      return record.costNanos ?? 0
    default:
      return record[measure]
  }
}

/** An abandoned call has failed and is estimated; what corrects it may take that back. An attempt is no call. */
function changed(kind: CallRecord['kind'], holds: boolean): number {
  if (kind === 'attempt') return 0
  if (kind === 'call') return holds ? 1 : 0
  return holds ? 0 : -1
}

/** What a field’s name says; `undefined` for one that is not of ours. */
export function parseField(field: string): Sum | undefined {
  const [by, of, vendor, model, measure] = JSON.parse(field) as [Group['by'], string, string, string, Measure]
  if (!MEASURES.includes(measure)) return undefined
  const group = field.slice(0, -(measure.length + FIELD_END.length))
  return { by, of, vendor, model, measure, group }
}
