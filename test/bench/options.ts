import { parseArgs } from 'node:util'
import { MEASURES, type Measure, SHORT } from './measures.ts'
import type { Sampled } from './profile.ts'
import { TARGETS } from './targets/index.ts'
import type { Target } from './targets/target.ts'

/** What is to be run. */
export interface Options {
  readonly help: boolean
  readonly short: boolean
  readonly profile: { readonly target: Target; readonly sampled: Sampled } | undefined
  readonly targets: readonly Target[]
  readonly measures: readonly Measure[]
  /** Levels of open streams. */
  readonly hold: readonly number[]
  /** Whether the SDK's client is measured beside a bare fetch. */
  readonly sdk: boolean
  /** Whether requests are measured beside users, streams and workers of different number. */
  readonly scaling: boolean
  /** Whether the border link is measured beside plain proxying. */
  readonly link: boolean
  /** Rounds of every measure; absent: each measure's own. */
  readonly rounds: number | undefined
}

export const HELP = `npm run bench -- [options]

Measures the services and their peers on this machine, over loopback only, and prints markdown tables. The main figure
is the CPU time of the target's process, compared round by round with another target of the same run: it is what other
work on the machine disturbs least. Needs nginx, redis-server, wrk and gcc, which are installed where that is possible.

  (nothing)          everything, about 13 minutes; peers are installed into .ferry/bench at the first run
  --short            smoke, about a minute: relay beside nginx, BFF beside Portkey; ends with 1 when a ratio is worse by
                     half than what test/bench/budgets.json has recorded, and still is at a second, longer look
  --targets a,b      of ${TARGETS.map(({ name }) => name).join(', ')}
  --measures a,b     of ${MEASURES.map(({ name }) => name).join(', ')}, hold, scaling, link, sdk
  --streams a,b      levels of "hold"; 100,1000,5000
  --rounds n         rounds of each measure
  --profile target   where a target on Node spends its time under the first of --measures (json-64)
  --memory           with --profile: where it takes memory
  --help             this

On two cores or more the target has core 0, and load and mock vendor have core 1. Latencies at 64 connections are those
of a saturated target: read them at one connection. Compare times of one run only; ratios hold a little longer.`

/** What is measured in ways of its own. */
const APART: readonly string[] = ['hold', 'scaling', 'link', 'sdk']

/** @throws an Error with one sentence for arguments that mean nothing. */
export function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: 'boolean', default: false },
      short: { type: 'boolean', default: false },
      profile: { type: 'string' },
      memory: { type: 'boolean', default: false },
      targets: { type: 'string' },
      measures: { type: 'string' },
      streams: { type: 'string' },
      rounds: { type: 'string' },
    },
  })
  const { help, short, profile, memory } = values
  const measures = values.measures?.split(',') ?? (short ? SHORT.measures : profile ? ['json-64'] : undefined)
  const targets = values.targets?.split(',') ?? (short ? SHORT.targets : undefined)
  const holds = measures === undefined || measures.includes('hold')
  const [profiled] = profile === undefined ? [] : pick(TARGETS, [profile])
  return {
    help,
    short,
    profile: profiled && { target: profiled, sampled: memory ? 'memory' : 'time' },
    targets: targets === undefined ? TARGETS : pick(TARGETS, targets),
    measures:
      measures === undefined
        ? MEASURES
        : pick(
            MEASURES,
            measures.filter((name) => !APART.includes(name)),
          ),
    hold: holds ? (values.streams ?? '100,1000,5000').split(',').map(Number) : [],
    sdk: measures === undefined || measures.includes('sdk'),
    scaling: measures === undefined || measures.includes('scaling'),
    link: measures === undefined || measures.includes('link'),
    rounds: values.rounds === undefined ? (short ? SHORT.rounds : undefined) : Number(values.rounds),
  }
}

function pick<T extends { readonly name: string }>(all: readonly T[], names: readonly string[]): T[] {
  return names.map((name) => {
    const found = all.find((each) => each.name === name)
    if (found === undefined)
      throw new Error(`there is no ${name}; there are ${all.map((each) => each.name).join(', ')}`)
    return found
  })
}
