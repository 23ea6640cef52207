import { Counter, Gauge, Histogram, Registry } from '@llm-ferry/kit'
import { describe, expect, it } from 'vitest'
import type { Snapshot } from '../../src/workers/messages.ts'
import { Totals } from '../../src/workers/totals.ts'

async function snapshot(count: number, open: number): Promise<Snapshot> {
  const registers = [new Registry()]
  new Counter({ name: 'c_total', help: 'c', labelNames: ['a'], registers }).inc({ a: 'x' }, count)
  new Gauge({ name: 'g', help: 'g', registers }).set(open)
  new Histogram({ name: 'h', help: 'h', buckets: [1], registers }).observe(count)
  return registers[0]!.getMetricsAsJSON()
}

describe('totals of workers', () => {
  it('sum counters, gauges and histograms', async () => {
    const totals = new Totals()
    totals.update(0, await snapshot(1, 10))
    totals.update(1, await snapshot(2, 20))
    totals.update(1, await snapshot(3, 30))
    const page = await totals.page([])
    expect(page).toContain('c_total{a="x"} 4')
    expect(page).toContain('g 40')
    expect(page).toContain('h_count 2')
    expect(page).toContain('h_bucket{le="1"} 1')
  })

  // A sum that falls is a restart to Prometheus, which then adds all that is left once more.
  it('never fall when workers come and go, but for the gauges', async () => {
    const totals = new Totals()
    for (let round = 1; round <= 3; round++) {
      totals.update(0, await snapshot(5, 7))
      await totals.leave(0)
      await totals.leave(0)
      const page = await totals.page([])
      expect(page).toContain(`c_total{a="x"} ${5 * round}`)
      expect(page).toContain(`h_sum ${5 * round}`)
      expect(page).not.toMatch(/^g /m)
    }
  })
})
