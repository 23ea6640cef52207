import { Counter, type Registry } from '@llm-ferry/kit'
import type { CallRecord } from './record.ts'

/** Models that are told apart; what the others cost counts as `other`. Callers name models. */
const MAX_MODELS = 100
const NANOS = 1e9

/** Counts what a line of the ledger cost. */
export type SpendMeter = (record: Pick<CallRecord, 'vendor' | 'model' | 'costNanos'>) => void

/** Money by vendor and model, as the ledger has it. */
export function createSpendMeter(registry: Registry): SpendMeter {
  const registers = [registry]
  const cost = new Counter({
    name: 'ferry_cost_usd_total',
    help: 'What calls cost, in US dollars, by vendor and model.',
    labelNames: ['vendor', 'model'] as const,
    registers,
  })
  const unpriced = new Counter({
    name: 'ferry_unpriced_calls_total',
    help: 'Calls that used tokens of a model whose price is not known.',
    labelNames: ['vendor'] as const,
    registers,
  })
  const models = new Set<string>()
  const labelOf = (vendor: string, model: string): string => {
    const id = `${vendor}/${model}`
    if (!models.has(id) && models.size >= MAX_MODELS) return 'other'
    models.add(id)
    return model
  }
  return ({ vendor, model, costNanos }) => {
    if (costNanos === null) unpriced.inc({ vendor })
    // A name that no vendor was paid for gets no label.
    else if (costNanos > 0) cost.inc({ vendor, model: labelOf(vendor, model) }, costNanos / NANOS)
  }
}
