// What the border link costs a relay beside plain proxying of the same streams.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Verdict } from '../budgets.ts'
import { cpuMs } from '../proc.ts'
import type { Part } from '../report.ts'
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

/** About half a minute. */
export async function benchLink(rig: Rig, port: number, rounds = 5): Promise<Part> {
  const markers = join(rig.run, 'markers')
  mkdirSync(markers, { recursive: true })
  const started = await startTarget(rig, relay, port, { env: { EXCHANGE_MARKERS_DIR: markers } })
  if (started?.server === undefined) throw new Error('the relay does not start')
  const { pid } = started.server
  const ways = waysTo(port)
  try {
    const rows: string[][] = []
    const verdicts: Verdict[] = []
    for (const load of LOADS) {
      const compared = await compare(rig, ways, pid, load, rounds)
      rows.push(...compared.rows)
      verdicts.push(...compared.verdicts)
    }
    const codec = await measureCodec()
    verdicts.push(verdict('packing an event, µs', 40, codec.packUs), verdict('a packer, KiB', 160, codec.packerKib))
    const head = ['32 streams', 'way', 'CPU ms / 1,000 events at the relay', '× plain (range)', 'goal', 'at the client']
    const title = '### The border link at the relay, beside plain proxying'
    return { text: [title, table(head, rows), codecText(codec)].join('\n\n'), verdicts }
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
async function compare(
  rig: Rig,
  ways: readonly Way[],
  pid: number,
  load: Load,
  rounds: number,
): Promise<{ rows: string[][]; verdicts: Verdict[] }> {
  const costs = new Map<Way, Cost[]>(ways.map((way) => [way, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
      const cost = await run(rig, way, pid, load)
      if (round > 0) costs.get(way)?.push(cost)
    }
  }
  const [plain = []] = costs.values()
  const verdicts: Verdict[] = []
  const rows = [...costs].map(([way, list]) => {
    const ratios = list.map(({ relay: cpu }, i) => cpu / (plain[i]?.relay ?? Number.NaN))
    const ratio = `${digits(median(ratios))} (${digits(Math.min(...ratios))}–${digits(Math.max(...ratios))})`
    const goal = list === plain ? '–' : digits(load.goal)
    if (list !== plain)
      verdicts.push(verdict(`relay, ${way.name} / plain, CPU, ${load.what}`, load.goal, median(ratios)))
    const middle = (figure: keyof Cost): string => digits(median(list.map((cost) => cost[figure])))
    return [load.what, way.name, middle('relay'), ratio, goal, middle('client')]
  })
  return { rows, verdicts }
}

const verdict = (what: string, goal: number, reached: number): Verdict => ({ what, goal, recorded: undefined, reached })

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

async function measureCodec(): Promise<CodecCost> {
  const child = fork(new URL('codec.ts', import.meta.url))
  const [cost] = await once(child, 'message')
  child.disconnect()
  return cost as CodecCost
}

const codecText = ({ packUs, unpackUs, share, packerKib }: CodecCost): string =>
  `Packing one event, 200 streams by turns: ${digits(packUs)} µs (goal 40), unpacking ${digits(unpackUs)} µs; ${digits(100 * share)} % of its bytes are left; ${digits(packerKib)} KiB a packer (goal 160).`
