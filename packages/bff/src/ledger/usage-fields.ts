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

/** Names and amounts of the sums that a record adds to; only those that are not 0. */
export function usageFields(record: CallRecord, hour: number): [field: string, amount: number][] {
  const { vendor, model } = record
  const groups: Group[] = [
    { by: 'hour', of: String(hour), vendor, model },
    { by: 'user', of: record.user, vendor, model },
  ]
  const amounts = MEASURES.map((measure) => [measure, amountOf(record, measure)] as const).filter(([, n]) => n !== 0)
  return groups.flatMap(({ by, of }) =>
    amounts.map(([measure, amount]): [string, number] => [JSON.stringify([by, of, vendor, model, measure]), amount]),
  )
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
export function parseField(field: string): (Group & { readonly measure: Measure }) | undefined {
  const [by, of, vendor, model, measure] = JSON.parse(field) as [Group['by'], string, string, string, Measure]
  return MEASURES.includes(measure) ? { by, of, vendor, model, measure } : undefined
}
