import { Counter, Gauge, type Registry } from '@llm-ferry/kit'
import type { StoreFault } from '../store/store.ts'

/** What is measured of the limits. */
export interface LimitMetrics {
  /** A limit refused a call. */
  refused(limit: string): void
  /** The store did not answer. */
  storeFault(fault: StoreFault): void
  /** A call was let in by this process alone. */
  insured(): void
  /** Calls whose process went away were ended. */
  abandoned(calls: number): void
  /** A settlement found no room to wait for the store. */
  lost(): void
}

/** @param waiting settlements that wait for the store now. */
export function createLimitMetrics(registry: Registry, waiting: () => number): LimitMetrics {
  const registers = [registry]
  const refusals = new Counter({
    name: 'ferry_limit_refusals_total',
    help: 'Requests that a limit refused.',
    labelNames: ['limit'] as const,
    registers,
  })
  const faults = new Counter({
    name: 'ferry_store_faults_total',
    help: 'Times the shared store did not do what it was asked, or not in time.',
    labelNames: ['fault'] as const,
    registers,
  })
  const insured = new Counter({
    name: 'ferry_insured_calls_total',
    help: 'Calls that were let in by the limits of one process because the shared store was away.',
    registers,
  })
  const abandoned = new Counter({
    name: 'ferry_abandoned_calls_total',
    help: 'Calls whose process went away; what was reserved for them stays charged.',
    registers,
  })
  const lost = new Counter({
    name: 'ferry_lost_settlements_total',
    help: 'Settlements that could not wait for the store; must stay 0.',
    registers,
  })
  new Gauge({
    name: 'ferry_waiting_settlements',
    help: 'Settlements that wait for the shared store to come back.',
    registers,
    collect() {
      this.set(waiting())
    },
  })
  return {
    refused: (limit) => refusals.inc({ limit }),
    storeFault: (fault) => faults.inc({ fault }),
    insured: () => insured.inc(),
    abandoned: (calls) => abandoned.inc(calls),
    lost: () => lost.inc(),
  }
}
