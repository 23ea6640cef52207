import { type Aim, loadJson, loadStreams, type Sample } from './load.ts'
import type { Native } from './native.ts'
import type { Rig } from './rig.ts'
import type { Order, Shape } from './targets/target.ts'

/** One kind of load, run against several targets in turn. */
export interface Measure {
  readonly name: string
  readonly title: string
  /** What `cpu` and `rate` of its samples count. */
  readonly unit: 'requests' | 'events'
  /** What p50 and p99 are of. */
  readonly latencyOf: string
  /** Targets by name; absent: all. */
  readonly targets?: readonly string[]
  /** Target that the others are compared with. */
  readonly base: string
  readonly order: Order
  readonly rounds: number
  readonly seconds: number
  run(rig: Rig, native: Native, aim: Aim, seconds: number): Promise<Sample>
}

const TRANSLATORS = ['bff', 'bff-redis', 'portkey', 'one-api', 'litellm']

const plain: Order = { shape: 'openai', stream: false, events: 0, intervalUs: 0 }
const streamed = (events: number, intervalUs: number, shape: Shape = 'openai'): Order => ({
  shape,
  stream: true,
  events,
  intervalUs,
})

const json = (connections: number): Measure => ({
  name: `json-${connections}`,
  title: `JSON, ${connections} connection${connections === 1 ? '' : 's'}`,
  unit: 'requests',
  latencyOf: 'answer',
  base: 'nginx',
  order: plain,
  rounds: 5,
  seconds: 2,
  run: (rig, _, aim, seconds) => loadJson(rig, aim, connections, seconds),
})

const burst = (shape: Shape, fields: Partial<Measure> = {}): Measure => ({
  name: shape === 'openai' ? 'burst' : `burst-${shape}`,
  title: `Streams at full speed, ${shape}: 32 at once, 200 events each`,
  unit: 'events',
  latencyOf: 'event',
  base: 'nginx',
  order: streamed(200, 0, shape),
  rounds: 5,
  seconds: 2,
  run: (rig, native, aim, seconds) => loadStreams(rig, native, aim, { connections: 32, seconds, warmupSeconds: 0.3 }),
  ...fields,
})

const paced: Measure = {
  name: 'paced',
  title: 'Paced streams: 32 at once, an event each 10 ms',
  unit: 'events',
  latencyOf: 'event',
  base: 'nginx',
  order: streamed(200, 10_000),
  rounds: 5,
  seconds: 3,
  run: (rig, native, aim, seconds) => loadStreams(rig, native, aim, { connections: 32, seconds, warmupSeconds: 0.5 }),
}

const firstByte: Measure = {
  name: 'first-byte',
  title: 'Time to the first event: one stream after the other, first event after 1 ms',
  unit: 'events',
  latencyOf: 'first event',
  base: 'nginx',
  order: streamed(1, 1000),
  rounds: 3,
  seconds: 2,
  run: (rig, native, aim, seconds) =>
    loadStreams(rig, native, aim, { connections: 1, seconds, warmupSeconds: 0.3, firstOnly: true }),
}

/** Everything that is measured by turns. */
export const MEASURES: readonly Measure[] = [
  json(64),
  json(1),
  burst('openai'),
  burst('anthropic', { targets: TRANSLATORS, base: 'portkey', rounds: 3 }),
  burst('gemini', { targets: TRANSLATORS, base: 'portkey', rounds: 3 }),
  paced,
  firstByte,
]

/** The smoke: what most likely shows a mistake, in the shortest time. */
export const SHORT: {
  readonly measures: readonly string[]
  readonly targets: readonly string[]
  readonly rounds: number
} = { measures: ['json-64', 'burst'], targets: ['nginx', 'relay', 'bff-redis', 'portkey'], rounds: 2 }
