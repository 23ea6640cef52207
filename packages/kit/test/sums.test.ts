import { Counter, Histogram, Registry, SummedCounter, SummedHistogram } from '@llm-ferry/kit'
import { AggregatorRegistry } from 'prom-client'
import { describe, expect, test } from 'vitest'

const LABELS = ['vendor', 'way'] as const
const BUCKETS = [0.001, 0.5, 2]
const VALUES = [0, 0.001, 0.0011, 0.5, 1.25, 2, 2.0001, 300]

function pages(): { ours: Registry; theirs: Registry } {
  const ours = new Registry()
  const theirs = new Registry()
  const about = { help: 'What it says.', labelNames: LABELS }
  const sums = new SummedCounter({ ...about, name: 'things_total', registers: [ours] })
  const counter = new Counter({ ...about, name: 'things_total', registers: [theirs] })
  const seconds = new SummedHistogram({ ...about, name: 'things_seconds', buckets: BUCKETS, registers: [ours] })
  const histogram = new Histogram({ ...about, name: 'things_seconds', buckets: BUCKETS, registers: [theirs] })
  for (const way of ['in', 'out "quoted"']) {
    const sum = sums.labels('openai', way)
    const distribution = seconds.labels('openai', way)
    for (const value of VALUES) {
      sum.value += value
      distribution.observe(value)
      counter.labels('openai', way).inc(value)
      histogram.labels('openai', way).observe(value)
    }
  }
  return { ours, theirs }
}

const lines = (page: string): string[] =>
  page.replace(/\{([^}]*)\}/g, (_, labels: string) => `{${labels.split(',').sort()}}`).split('\n')

describe('metrics kept in plain numbers', () => {
  test('read like those of prom-client', async () => {
    const { ours, theirs } = pages()
    expect(lines(await ours.metrics())).toEqual(lines(await theirs.metrics()))
    expect(lines(await ours.metrics()), 'a second time').toEqual(lines(await theirs.metrics()))
  })

  test('add up over processes', async () => {
    const sum = async (registry: Registry): Promise<string> => {
      const snapshots = [await registry.getMetricsAsJSON(), await registry.getMetricsAsJSON()]
      return AggregatorRegistry.aggregate(snapshots).metrics()
    }
    const { ours, theirs } = pages()
    expect(lines(await sum(ours))).toEqual(lines(await sum(theirs)))
    expect(await sum(ours)).toContain('things_seconds_count{vendor="openai",way="in"} 16')
  })

  test('a name is registered once', () => {
    const { ours } = pages()
    const again = { name: 'things_seconds', help: '', labelNames: LABELS, buckets: BUCKETS, registers: [ours] }
    expect(() => new SummedHistogram(again)).toThrow('things_seconds')
  })
})
