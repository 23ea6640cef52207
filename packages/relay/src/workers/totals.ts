import { AggregatorRegistry } from '@llm-ferry/kit'
import type { Snapshot } from './messages.ts'

/**
 * Sums the metrics of workers that come and go. What a worker counted stays counted after its end: a sum that falls
 * reads like a restart to Prometheus, which would then count everything that is left once more.
 */
export class Totals {
  readonly #latest = new Map<number, Snapshot>()
  #departed: Snapshot = []

  /** Takes a worker's metrics in place of its former ones. */
  update(worker: number, snapshot: Snapshot): void {
    this.#latest.set(worker, snapshot)
  }

  /** Notes that a worker has ended; its gauges go with it. */
  async leave(worker: number): Promise<void> {
    const snapshot = this.#latest.get(worker)
    this.#latest.delete(worker)
    if (snapshot === undefined) return
    this.#departed = await sum([this.#departed, snapshot.filter(accumulates)]).getMetricsAsJSON()
  }

  /** The page of all workers, and of `others`. */
  page(others: Snapshot): Promise<string> {
    return sum([...this.#latest.values(), this.#departed, others]).metrics()
  }
}

const sum = (snapshots: readonly Snapshot[]): ReturnType<typeof AggregatorRegistry.aggregate> =>
  AggregatorRegistry.aggregate(snapshots.map((snapshot) => [...snapshot]))

const accumulates = (metric: object): boolean =>
  'type' in metric && (metric.type === 'counter' || metric.type === 'histogram')
