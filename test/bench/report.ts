import { spawnSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { isBroken, type Verdict } from './budgets.ts'
import type { Held } from './hold.ts'
import { findProgram, ROOT } from './rig.ts'
import { medianOf, type Ratio, type Result, ratioOf } from './rounds.ts'
import { digits, table } from './stats.ts'
import type { Target } from './targets/target.ts'

/** What a part of the benchmark with tables of its own has to say. */
export interface Part {
  /** In markdown. */
  readonly text: string
  readonly verdicts: readonly Verdict[]
}

/** When, what and on which machine. */
export function circumstances(): string {
  const [cpu] = cpus()
  const machine = `${cpus().length} × ${cpu?.model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}`
  const commit = said('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD'])
  const nginx = /nginx\/\S+/.exec(said('nginx', ['-v']))?.[0] ?? 'nginx'
  const load = loadavg().map(digits).join(', ')
  return [
    `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, commit ${commit}, Node ${process.version}, ${nginx}.`,
    `${machine}; load average at the end ${load}.`,
  ].join('\n')
}

function said(name: string, args: string[]): string {
  const { stdout, stderr } = spawnSync(findProgram(name) ?? name, args, { encoding: 'utf8' })
  return `${stdout ?? ''}${stderr ?? ''}`.trim()
}

/** One measure as a table: CPU time first, since it is what other work on the machine disturbs least. */
export function resultTable(result: Result): string {
  const { measure, samples } = result
  const { base, unit, latencyOf } = measure
  const head = ['target', `CPU ms / 1,000 ${unit}`, `× ${base} (range)`, `${unit}/s`]
  head.push(`${latencyOf} p50 µs`, 'p99', 'added p50', 'added p99', 'errors')
  const names = [...samples.keys()].sort(
    (a, b) => order(medianOf(result, a, 'cpu')) - order(medianOf(result, b, 'cpu')),
  )
  const added = (name: string, figure: 'p50' | 'p99'): string =>
    name === 'direct' ? '–' : digits(medianOf(result, name, figure) - medianOf(result, 'direct', figure))
  const rows = names.map((name) => [
    name,
    digits(medianOf(result, name, 'cpu')),
    ratioText(ratioOf(result, name, base)),
    digits(medianOf(result, name, 'rate')),
    digits(medianOf(result, name, 'p50')),
    digits(medianOf(result, name, 'p99')),
    added(name, 'p50'),
    added(name, 'p99'),
    String((samples.get(name) ?? []).reduce((sum, sample) => sum + (sample?.errors ?? 1), 0)),
  ])
  return `### ${measure.title}\n\n${table(head, rows)}`
}

const order = (cpu: number): number => (Number.isNaN(cpu) ? -1 : cpu)

const ratioText = (ratio: Ratio | undefined): string =>
  ratio === undefined ? '–' : `${digits(ratio.median)} (${digits(ratio.least)}–${digits(ratio.most)})`

export function heldTable(rows: readonly Held[]): string {
  const head = [
    'target',
    'streams',
    'held',
    'RSS idle MiB',
    'KiB / stream',
    'CPU ms / 1,000 events',
    'event p50 µs',
    'p99',
  ]
  const cells = rows.map((row) => [
    row.target,
    String(row.streams),
    String(row.held),
    digits(row.idleMib),
    digits(row.kibPerStream),
    digits(row.cpu),
    digits(row.p50),
    digits(row.p99),
  ])
  return `### Streams held open: an event each second\n\n${table(head, cells)}`
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map((verdict) => {
    const { what, goal, recorded, reached } = verdict
    return [what, digits(goal), digits(recorded), digits(reached), word(verdict)]
  })
  return `### Goals\n\n${table(['what', 'goal, at most', 'recorded', 'reached', ''], rows)}`
}

function word(verdict: Verdict): string {
  if (verdict.reached <= verdict.goal) return 'met'
  return isBroken(verdict) ? 'missed, and far from what was recorded' : 'missed'
}

export function footnotes(targets: readonly Target[]): string {
  return targets.map(({ name, about }) => `- **${name}**: ${about}`).join('\n')
}
