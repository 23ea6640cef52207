import { Counter, type Histogram, type Registry } from 'prom-client'

/** What a metric is called, says and distinguishes. */
export interface SumsOptions<Label extends string> {
  readonly name: string
  readonly help: string
  readonly labelNames: readonly Label[]
  readonly registers: Registry[]
}

type Labels<Label extends string> = Record<Label, string>

/** One of a counter's values; add to it. */
export interface Sum {
  value: number
}

/**
 * A counter for what every request counts: plain numbers, which prom-client gets when the metrics are read. Its own
 * counters check names and hash labels each time.
 */
export class SummedCounter<Label extends string> {
  readonly #labelNames: readonly Label[]
  readonly #sums: (Sum & { readonly labels: Labels<Label> })[] = []

  constructor({ name, help, labelNames, registers }: SumsOptions<Label>) {
    this.#labelNames = labelNames
    const sums = this.#sums
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers,
      collect() {
        this.reset()
        for (const { labels, value } of sums) this.inc(labels, value)
      },
    })
  }

  /** The value with these labels, from 0 on. To be asked for once and kept. */
  labels(...values: readonly string[]): Sum {
    const sum = { labels: labelled(this.#labelNames, values), value: 0 }
    this.#sums.push(sum)
    return sum
  }
}

/** One of a histogram's distributions. */
export class Distribution {
  readonly labels: Record<string, string>
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  #sum = 0
  #count = 0

  constructor(labels: Record<string, string>, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.#counts = bounds.map(() => 0)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let at = 0
    while (at < bounds.length && value > (bounds[at] ?? 0)) at++
    if (at < bounds.length) this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#sum += value
    this.#count++
  }

  /** As prom-client's histograms tell it: each bucket with all below it. */
  values(name: string): object[] {
    const { labels } = this
    let below = 0
    const buckets = this.#bounds.map((le, at) => {
      below += this.#counts[at] ?? 0
      return { labels: { le, ...labels }, value: below, metricName: `${name}_bucket` }
    })
    return [
      ...buckets,
      { labels: { le: '+Inf', ...labels }, value: this.#count, metricName: `${name}_bucket` },
      { labels, value: this.#sum, metricName: `${name}_sum` },
      { labels, value: this.#count, metricName: `${name}_count` },
    ]
  }
}

/** A histogram for what every request observes, kept like {@link SummedCounter}. */
export class SummedHistogram<Label extends string> {
  readonly #labelNames: readonly Label[]
  readonly #bounds: readonly number[]
  readonly #distributions: Distribution[] = []

  /** @param options `buckets`: upper bounds, ascending. */
  constructor({ name, help, labelNames, registers, buckets }: SumsOptions<Label> & { buckets: readonly number[] }) {
    this.#labelNames = labelNames
    this.#bounds = buckets
    const get = async (): Promise<object> => {
      const values = this.#distributions.flatMap((distribution) => distribution.values(name))
      return { name, help, type: 'histogram', aggregator: 'sum', values }
    }
    // All that a registry asks of a metric.
    const metric = { name, help, type: 'histogram', aggregator: 'sum', get, reset() {} } as unknown as Histogram
    for (const registry of registers) registry.registerMetric(metric)
  }

  /** The distribution with these labels, empty at first. To be asked for once and kept. */
  labels(...values: readonly string[]): Distribution {
    const distribution = new Distribution(labelled(this.#labelNames, values), this.#bounds)
    this.#distributions.push(distribution)
    return distribution
  }
}

function labelled<Label extends string>(names: readonly Label[], values: readonly string[]): Labels<Label> {
  return Object.fromEntries(names.map((name, at) => [name, values[at] ?? ''])) as Labels<Label>
}

/** Remembers what `make` made for each name. Only for names of a small, fixed set. */
export function memo<T, Name = string>(make: (name: Name) => T): (name: Name) => T {
  const made = new Map<Name, T>()
  return (name) => {
    const known = made.get(name)
    if (known !== undefined) return known
    const fresh = make(name)
    made.set(name, fresh)
    return fresh
  }
}
