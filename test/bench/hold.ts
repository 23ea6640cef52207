import { setTimeout as sleep } from 'node:timers/promises'
import { type Aim, loadJson, loadStreams } from './load.ts'
import type { Native } from './native.ts'
import { residentKib } from './proc.ts'
import type { Rig } from './rig.ts'
import { startTarget } from './started.ts'
import type { Target } from './targets/target.ts'

/** What open streams cost a target. */
export interface Held {
  readonly target: string
  readonly streams: number
  /** Streams that were open at the end. */
  readonly held: number
  readonly idleMib: number
  /** NaN where not nearly all could be opened. */
  readonly kibPerStream: number
  /** CPU time for 1,000 events, in ms. */
  readonly cpu: number
  /** µs from the vendor's write to the caller's read. */
  readonly p50: number
  readonly p99: number
}

const SECONDS = 5
/** Fewer than this share of the streams, and their memory says nothing. */
const ENOUGH = 0.98
/** The pace of each stream's events. */
const INTERVAL_US = 1_000_000

/** Opens streams that get an event now and then; the target is started anew, so that the memory is theirs. */
export async function holdStreams(
  rig: Rig,
  native: Native,
  target: Target,
  streams: number,
): Promise<Held | undefined> {
  const started = await startTarget(rig, target, rig.firstPort)
  const server = started?.server
  if (started === undefined || server === undefined) return undefined
  try {
    const order = { shape: 'openai', stream: true, events: 1_000_000, intervalUs: INTERVAL_US } as const
    const aim: Aim = { port: started.port, ask: target.ask(order, rig), pid: server.pid }
    const plain = { ...aim, ask: target.ask({ ...order, stream: false, events: 0, intervalUs: 0 }, rig) }
    await loadJson(rig, plain, 16, 2)
    await sleep(500)
    const idle = residentKib(server.pid)
    let full = Number.NaN
    const sample = await loadStreams(rig, native, aim, {
      connections: streams,
      seconds: SECONDS,
      warmupSeconds: 1,
      perSecond: 250,
      once: true,
      onCounting: () => {
        setTimeout(() => {
          full = residentKib(server.pid)
        }, SECONDS * 700)
      },
    })
    const { held, cpu, p50, p99 } = sample
    const kibPerStream = held >= streams * ENOUGH ? (full - idle) / held : Number.NaN
    return { target: target.name, streams, held, idleMib: idle / 1024, kibPerStream, cpu, p50, p99 }
  } finally {
    await server.stop()
  }
}
