import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import {
  type Cluster,
  counted,
  type Fate,
  metric,
  nothingHeld,
  type Outcome,
  PATIENT,
  startCluster,
  TOKENS,
} from './support.ts'

let cluster: Cluster
afterEach(() => cluster?.stop())

const CALLS = 2000
const QUOTA = { ...PATIENT, DAILY_QUOTA: '1000', KEY_DAILY_QUOTA: '100000' }

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
function statuses(outcomes: readonly Outcome[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of outcomes) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
const vendorCalls = (): number => sum([...cluster.vendor.began.values()])

describe('four processes, 2,000 calls at once, a daily quota of 1,000', () => {
  test('exactly 1,000 are let in, and ledger, counters and vendor agree', async () => {
    cluster = await startCluster(4, QUOTA)
    const outcomes = await Promise.all(Array.from({ length: CALLS }, (_, i) => cluster.chat(i, 'answer')))
    expect(statuses(outcomes)).toEqual({ 200: 1000, 429: 1000 })
    expect(vendorCalls()).toBe(1000)
    await eventually('1,000 lines', () => cluster.records().length === 1000, 20_000)
    await nothingHeld(cluster.direct, 10_000)
    const lines = cluster.records()
    expect(new Set(lines.map(({ id }) => id))).toEqual(
      new Set(outcomes.filter(({ status }) => status === 200).map(({ id }) => id)),
    )
    expect(sum(lines.map(({ promptTokens }) => promptTokens))).toBe(1000 * TOKENS.prompt)
    expect(await counted(cluster.direct, 'requests')).toBe(1000)
    expect(await counted(cluster.direct, 'tokens')).toBe(1000 * (TOKENS.prompt + TOKENS.completion))
    expect(sum(await Promise.all(cluster.bffs.map((bff) => metric(bff, 'ferry_insured_calls_total'))))).toBe(0)
  }, 120_000)

  test('a third cancelled in mid-stream, a tenth failing: no reservation is left, every line explained', async () => {
    cluster = await startCluster(4, QUOTA)
    const fateOf = (i: number): Fate => (i % 10 === 0 ? 'fail' : i % 3 === 0 ? 'slow-stream' : 'stream')
    const outcomes = await Promise.all(
      Array.from({ length: CALLS }, (_, i) =>
        cluster.chat(i, fateOf(i), fateOf(i) === 'slow-stream' ? { leaveAt: 'word5' } : {}),
      ),
    )
    await nothingHeld(cluster.direct, 30_000)
    expect(await counted(cluster.direct, 'requests')).toBe(1000)
    expect(vendorCalls()).toBe(1000)
    await eventually('1,000 lines', () => cluster.records().length === 1000, 20_000)
    const by = (outcome: string): number => cluster.records().filter((line) => line.outcome === outcome).length
    expect(by('completed')).toBe(cluster.vendor.began.get('stream'))
    expect(by('invalid_request')).toBe(cluster.vendor.began.get('fail'))
    expect(by('client_closed')).toBe(cluster.vendor.began.get('slow-stream'))
    const exact = cluster.records().filter(({ outcome }) => outcome === 'completed')
    expect(exact.every(({ estimated, promptTokens }) => !estimated && promptTokens === TOKENS.prompt)).toBe(true)
    const left = cluster.records().filter(({ outcome }) => outcome === 'client_closed')
    expect(left.every(({ estimated, completionTokens }) => estimated && completionTokens > 0)).toBe(true)
    expect(statuses(outcomes)[429]).toBe(1000)
    const ledgerTokens = sum(cluster.records().map((line) => line.promptTokens + line.completionTokens))
    expect(await counted(cluster.direct, 'tokens')).toBe(ledgerTokens)
  }, 120_000)
})
