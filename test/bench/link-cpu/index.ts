// What the border link costs a relay beside plain proxying of the same streams.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { cpuMs } from '../proc.ts'
import type { Rig } from '../rig.ts'
import { startTarget } from '../started.ts'
import { digits, median, table } from '../stats.ts'
import { relay } from '../targets/relay.ts'
import type { Order } from '../targets/target.ts'
import type { CodecCost } from './codec.ts'
import { type Way, waysTo } from './ways.ts'

const EVENTS = 200
const STREAMS = 32

const paced: Order = { shape: 'openai', stream: true, events: EVENTS, intervalUs: 10_000 }
/** Its events come as fast as they are read, many in one turn. */
const burst: Order = { ...paced, intervalUs: 0 }

interface Load {
  readonly what: string
  readonly order: Order
  /** Streams of one round, {@link STREAMS} at once. */
  readonly streams: number
  /** Goal: the relay's CPU time, in multiples of plain proxying. */
  readonly goal: number
}

const LOADS: readonly Load[] = [
  { what: 'an event each 10 ms', order: paced, streams: STREAMS, goal: 2 },
  { what: 'at full speed', order: burst, streams: 10 * STREAMS, goal: 2 },
]

/** The report in markdown; about half a minute. */
export async function benchLink(rig: Rig, port: number, rounds = 5): Promise<string> {
  const markers = join(rig.run, 'markers')
  mkdirSync(markers, { recursive: true })
  const started = await startTarget(rig, relay, port, { env: { EXCHANGE_MARKERS_DIR: markers } })
  if (started?.server === undefined) throw new Error('the relay does not start')
  const { pid } = started.server
  const ways = waysTo(port)
  try {
    const rows: string[][] = []
    for (const load of LOADS) rows.push(...(await compare(rig, ways, pid, load, rounds)))
    const head = ['32 streams', 'way', 'CPU ms / 1,000 events at the relay', '× plain (range)', 'goal', 'at the client']
    return ['### The border link at the relay, beside plain proxying', table(head, rows), await codecText()].join(
      '\n\n',
    )
  } finally {
    await Promise.all(ways.map((way) => way.close()))
    await started.server.stop()
  }
}

interface Cost {
  /** CPU time for 1,000 events, in ms. */
  readonly relay: number
  readonly client: number
}

/** By turns, the first round to warm up. */
async function compare(rig: Rig, ways: readonly Way[], pid: number, load: Load, rounds: number): Promise<string[][]> {
  const costs = new Map<Way, Cost[]>(ways.map((way) => [way, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
      const cost = await run(rig, way, pid, load)
      if (round > 0) costs.get(way)?.push(cost)
    }
  }
  const [plain = []] = costs.values()
  return [...costs].map(([way, list]) => {
    const ratios = list.map(({ relay: cpu }, i) => cpu / (plain[i]?.relay ?? Number.NaN))
    const ratio = `${digits(median(ratios))} (${digits(Math.min(...ratios))}–${digits(Math.max(...ratios))})`
    const goal = list === plain ? '–' : digits(load.goal)
    const middle = (figure: keyof Cost): string => digits(median(list.map((cost) => cost[figure])))
    return [load.what, way.name, middle('relay'), ratio, goal, middle('client')]
  })
}

async function run(rig: Rig, way: Way, pid: number, { order, streams }: Load): Promise<Cost> {
  const before = { relay: cpuMs(pid), client: process.cpuUsage() }
  let left = streams
  const worker = async (): Promise<void> => {
    while (left-- > 0) await way.stream(relay.ask(order, rig))
  }
  await Promise.all(Array.from({ length: STREAMS }, worker))
  const { user, system } = process.cpuUsage(before.client)
  const thousands = (streams * EVENTS) / 1000
  return { relay: (cpuMs(pid) - before.relay) / thousands, client: (user + system) / 1000 / thousands }
}

async function codecText(): Promise<string> {
  const child = fork(new URL('codec.ts', import.meta.url))
  const [cost] = await once(child, 'message')
  child.disconnect()
  const { packUs, unpackUs, share, packerKib } = cost as CodecCost
  return `Packing one event, 200 streams by turns: ${digits(packUs)} µs (goal 40), unpacking ${digits(unpackUs)} µs; ${digits(100 * share)} % of its bytes are left; ${digits(packerKib)} KiB a packer (goal 160).`
}
