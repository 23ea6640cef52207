import type { Aim, Sample } from './load.ts'
import type { Measure } from './measures.ts'
import type { Native } from './native.ts'
import type { Rig } from './rig.ts'
import type { Started } from './started.ts'
import { digits, median } from './stats.ts'

/** What was measured: for each target a sample a round; undefined where a run failed. */
export interface Result {
  readonly measure: Measure
  readonly samples: ReadonlyMap<string, readonly (Sample | undefined)[]>
}

/** A target is warm after so many requests or events, or so many runs of a second. */
const WARMUP_CALLS = 10_000
const WARMUP_RUNS = 5
/** Later measures find most of the target's code compiled. */
const WARMUP_RUNS_LATER = 2

/** Runs a measure by turns, A B C then C B A, so that what the machine does besides meets all targets alike. */
export async function runRounds(
  rig: Rig,
  native: Native,
  measure: Measure,
  targets: readonly Started[],
  rounds: number,
  isFirst: boolean,
): Promise<Result> {
  const samples = new Map<string, (Sample | undefined)[]>(targets.map(({ target }) => [target.name, []]))
  for (const started of targets) {
    await warmUp(rig, native, measure, started, isFirst ? WARMUP_RUNS : WARMUP_RUNS_LATER)
  }
  for (let round = 0; round < rounds; round++) {
    for (const started of round % 2 === 0 ? targets : targets.toReversed()) {
      const sample = await runOnce(rig, native, measure, started, measure.seconds)
      samples.get(started.target.name)?.push(sample)
      console.error(`bench: ${measure.name} ${round + 1}/${rounds} ${started.target.name}: ${told(sample, measure)}`)
    }
  }
  return { measure, samples }
}

// Compilers need calls, not seconds: on a busy machine these differ.
async function warmUp(rig: Rig, native: Native, measure: Measure, started: Started, most: number): Promise<void> {
  for (let i = 0, done = 0; i < most && done < WARMUP_CALLS; i++) {
    done += (await runOnce(rig, native, measure, started, 1))?.rate ?? 0
  }
}

async function runOnce(
  rig: Rig,
  native: Native,
  measure: Measure,
  { target, port, server }: Started,
  seconds: number,
): Promise<Sample | undefined> {
  const aim: Aim = { port, ask: target.ask(measure.order, rig), pid: server?.pid }
  try {
    return await measure.run(rig, native, aim, seconds)
  } catch (error) {
    console.error(`bench: ${measure.name} ${target.name} failed: ${error instanceof Error ? error.message : error}`)
    return undefined
  }
}

const told = (sample: Sample | undefined, { unit }: Measure): string =>
  sample === undefined
    ? 'failed'
    : `${digits(sample.cpu)} ms CPU for 1,000 ${unit}, ${digits(sample.rate)}/s, p50 ${digits(sample.p50)} µs`

/** Median of one figure over the rounds. */
export function medianOf({ samples }: Result, target: string, figure: keyof Sample): number {
  return median((samples.get(target) ?? []).flatMap((sample) => (sample === undefined ? [] : [sample[figure]])))
}

/** Quotients of two targets' CPU time. */
export interface Ratio {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** What one target's CPU time is above another's, in ms: the median of the rounds. */
export function differenceOf({ samples }: Result, target: string, base: string): number | undefined {
  const bases = samples.get(base) ?? []
  const differences = (samples.get(target) ?? []).flatMap((sample, round) => {
    const other = bases[round]
    return sample === undefined || other === undefined ? [] : [sample.cpu - other.cpu]
  })
  return differences.length === 0 ? undefined : median(differences)
}

/** How one target's CPU time compares with another's, round by round: what slows a round slows both. */
export function ratioOf({ samples }: Result, target: string, base: string): Ratio | undefined {
  const bases = samples.get(base) ?? []
  const ratios = (samples.get(target) ?? []).flatMap((sample, round) => {
    const other = bases[round]
    return sample === undefined || other === undefined ? [] : [sample.cpu / other.cpu]
  })
  const known = ratios.filter(Number.isFinite)
  if (known.length === 0) return undefined
  return { median: median(known), least: Math.min(...known), most: Math.max(...known) }
}
