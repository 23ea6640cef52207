import { setTimeout as sleep } from 'node:timers/promises'
import { type Vitals, vitals } from '../testkit/services.ts'

/** One kind of call. */
export interface Trial {
  readonly name: string
  /** How often it comes, beside the others. */
  readonly weight: number
  /** Rejects when the call fared otherwise than it should. */
  run(turn: number): Promise<void>
}

/** Services that run, and what they are to go through. */
export interface Soak {
  readonly trials: readonly Trial[]
  /** Processes whose memory and descriptors are watched, by name. */
  readonly watched: Readonly<Record<string, number>>
  everySecond(second: number): void
  /** Called when the load is over. @returns what is not as it should be once everything rests. */
  rest(): Promise<readonly string[]>
  /** Connections that are open, by what they are. */
  connections(): Readonly<Record<string, number>>
  stop(): Promise<void>
}

/** What a run saw. */
export interface SoakReport {
  readonly seconds: number
  /** Calls by kind. */
  readonly calls: Readonly<Record<string, number>>
  /** Calls that fared otherwise than they should, and what was wrong afterwards; the first few. */
  readonly failures: readonly string[]
  readonly processes: readonly ProcessReport[]
  readonly connections: Readonly<Record<string, number>>
}

interface Sample extends Vitals {
  readonly second: number
}

interface ProcessReport {
  readonly name: string
  readonly samples: readonly Sample[]
  /** Growth of memory after the warm-up, by linear regression, and how far samples lie from that line. */
  readonly growthMiB: number
  readonly growthMiBPerMinute: number
  readonly noiseMiB: number
  /** Before the load, and when it had come to rest after it. */
  readonly before: Vitals
  readonly after: Vitals
}

export const CALLERS = 24
/** Share of the time in which a heap may still find its size. */
const WARM_UP = 0.3
/** What a heap takes to find its size under this load (measured: the BFF's from 218 to 521 MiB in 88 s, 24 more in 28 minutes). */
const SETTLED_SECONDS = 90
const MOST_FAILURES = 20
/** Connections that one caller's calls may need at once on all sides of a service, those that were cut and linger included. */
const MOST_CONNECTIONS = 6

/** Runs a call that must not come to a good end. */
export async function expectFailure(call: Promise<unknown>): Promise<void> {
  const ended = await call.then(
    () => true,
    () => false,
  )
  if (ended) throw new Error('a broken answer looked complete')
}

/** Puts services under load, and watches what they keep. They are stopped at the end. */
export async function runSoak(soak: Soak, seconds: number): Promise<SoakReport> {
  const { trials, watched } = soak
  const turns = trials.flatMap((trial) => Array<Trial>(trial.weight).fill(trial))
  const calls: Record<string, number> = {}
  const failures: string[] = []
  const samples = new Map<string, Sample[]>(Object.keys(watched).map((name) => [name, []]))
  const started = performance.now()
  const elapsed = (): number => (performance.now() - started) / 1000
  const look = (): Map<string, Vitals> =>
    new Map(Object.entries(watched).map(([name, pid]) => [name, vitals(pid)] as const))
  const before = look()

  const caller = async (index: number): Promise<void> => {
    for (let turn = index; elapsed() < seconds; turn++) {
      const trial = turns[(turn * 7) % turns.length] as Trial
      calls[trial.name] = (calls[trial.name] ?? 0) + 1
      await trial.run(turn).catch((error: unknown) => {
        if (failures.length < MOST_FAILURES)
          failures.push(`${trial.name} at ${elapsed().toFixed(1)} s: ${describe(error)}`)
      })
    }
  }
  const sampler = async (): Promise<void> => {
    while (elapsed() < seconds) {
      for (const [name, seen] of look()) samples.get(name)?.push({ second: elapsed(), ...seen })
      soak.everySecond(elapsed())
      await sleep(Math.min(1000, seconds * 20))
    }
  }
  try {
    await Promise.all([sampler(), ...Array.from({ length: CALLERS }, (_, index) => caller(index))])
    failures.push(...(await soak.rest()))
    await sleep(1500)
    const after = look()
    const processes = [...samples].map(([name, list]) => ({
      name,
      samples: list,
      ...growthOf(list.filter(({ second }) => second > seconds * WARM_UP)),
      before: before.get(name) as Vitals,
      after: after.get(name) as Vitals,
    }))
    return { seconds, calls, failures, processes, connections: soak.connections() }
  } finally {
    await soak.stop()
  }
}

function describe(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message} (${cause.message})` : message
}

/** Least squares. */
function growthOf(samples: readonly Sample[]) {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const time = mean(samples.map(({ second }) => second))
  const size = mean(samples.map(({ rssMiB }) => rssMiB))
  const spread = samples.reduce((sum, { second }) => sum + (second - time) ** 2, 0)
  const slope = samples.reduce((sum, { second, rssMiB }) => sum + (second - time) * (rssMiB - size), 0) / spread
  const squares = samples.map(({ second, rssMiB }) => (rssMiB - size - slope * (second - time)) ** 2)
  const span = (samples.at(-1)?.second ?? 0) - (samples[0]?.second ?? 0)
  return { growthMiB: slope * span, growthMiBPerMinute: slope * 60, noiseMiB: Math.sqrt(mean(squares)) }
}

/** What speaks against the services in a report; empty when they did well. */
export function complaints({ failures, seconds, processes, connections }: SoakReport): readonly string[] {
  const found = [...failures]
  for (const { name, growthMiB, noiseMiB, before, after } of processes) {
    // A run that begins to look before heaps have found their size can only tell a flood from a heap that settles.
    const allowed = seconds * WARM_UP < SETTLED_SECONDS ? 256 : Math.max(16, 2 * noiseMiB)
    if (growthMiB > allowed)
      found.push(`${name}: memory grew by ${growthMiB.toFixed(1)} MiB, more than ${allowed.toFixed(0)}`)
    const descriptors = after.descriptors - before.descriptors
    // Idle connections are kept for the next call: as many as ever were needed at once, and no more.
    if (descriptors > CALLERS * MOST_CONNECTIONS)
      found.push(`${name}: ${descriptors} descriptors more than before the load`)
  }
  for (const [what, count] of Object.entries(connections)) {
    if (count > CALLERS * MOST_CONNECTIONS) found.push(`${count} connections ${what} left open`)
  }
  return found
}
