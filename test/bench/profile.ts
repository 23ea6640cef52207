import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Measure } from './measures.ts'
import type { Native } from './native.ts'
import type { Rig } from './rig.ts'
import { startTarget } from './started.ts'
import { table } from './stats.ts'
import type { Target } from './targets/target.ts'

interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

interface HeapNode {
  readonly callFrame: CallFrame
  readonly selfSize: number
  readonly children: readonly HeapNode[]
}

/** What is sampled: where time goes, or where memory is taken, which the garbage collector's time follows. */
export type Sampled = 'time' | 'memory'

/** What each function took by itself, in µs or bytes. */
type Costs = readonly { readonly frame: CallFrame; readonly cost: number }[]

const WARMUP_SECONDS = 4
const SECONDS = 8

/** Runs a target on Node under a measure's load, warm, with V8's sampling on; tells where its time or memory goes. */
export async function profile(
  rig: Rig,
  native: Native,
  target: Target,
  measure: Measure,
  sampled: Sampled,
): Promise<string> {
  const file = join(rig.run, `${target.name}-${measure.name}.${sampled === 'time' ? 'cpuprofile' : 'heapprofile'}`)
  rmSync(file, { force: true })
  const nodeArgs = ['--import', new URL('profiler.ts', import.meta.url).href]
  const env = { BENCH_PROFILE: file, BENCH_PROFILE_OF: sampled }
  const started = await startTarget(rig, target, rig.firstPort, { nodeArgs, env })
  if (started?.server === undefined) throw new Error(`${target.name} has no process to profile`)
  const { pid } = started.server
  const aim = { port: started.port, ask: target.ask(measure.order, rig), pid }
  await measure.run(rig, native, aim, WARMUP_SECONDS)
  process.kill(pid, 'SIGUSR2')
  await measure.run(rig, native, aim, SECONDS)
  process.kill(pid, 'SIGUSR2')
  for (let i = 0; i < 50 && !existsSync(file); i++) await sleep(100)
  await started.server.stop()
  const parsed = JSON.parse(readFileSync(file, 'utf8'))
  const costs = sampled === 'time' ? timesOf(parsed) : allocationsOf(parsed.head)
  const tops = [top(costs, ownerOf, 'who', 12), top(costs, functionOf, 'function', 25)]
  const title = sampled === 'time' ? `Where ${target.name} spends its time` : `Where ${target.name} takes memory`
  return [`### ${title}: ${measure.name}`, ...tops, `Profile: ${file}`].join('\n\n')
}

/** Time in which the process was busy. */
function timesOf({ nodes, samples, timeDeltas }: CpuProfile): Costs {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  return samples.flatMap((id, i) => {
    const frame = frames.get(id)
    return frame === undefined || frame.functionName === '(idle)' ? [] : [{ frame, cost: timeDeltas[i] ?? 0 }]
  })
}

const allocationsOf = ({ callFrame, selfSize, children }: HeapNode): Costs => [
  { frame: callFrame, cost: selfSize },
  ...children.flatMap(allocationsOf),
]

/** The largest sums, as shares of all. */
function top(costs: Costs, nameOf: (frame: CallFrame) => string, head: string, rows: number): string {
  const sums = new Map<string, number>()
  for (const { frame, cost } of costs) {
    const name = nameOf(frame)
    sums.set(name, (sums.get(name) ?? 0) + cost)
  }
  const all = [...sums.values()].reduce((total, each) => total + each, 0)
  const largest = [...sums].sort(([, a], [, b]) => b - a).slice(0, rows)
  return table(
    [head, 'share %'],
    largest.map(([name, sum]) => [name, ((sum / all) * 100).toFixed(1)]),
  )
}

/** The package or the part of Node that a function belongs to. */
function ownerOf({ functionName, url }: CallFrame): string {
  if (url === '') return functionName.startsWith('(') ? functionName : `native: ${functionName || 'anonymous'}`
  if (url.startsWith('node:')) return url.replace(/^node:(internal\/)?/, 'node: ')
  if (url.startsWith('wasm')) return 'llhttp (WebAssembly)'
  const [dependency] = [...url.matchAll(/node_modules\/((?:@[^/]+\/)?[^/.][^/]*)\//g)].slice(-1)
  return dependency?.[1] ?? `ours: ${/packages\/(.+)$/.exec(url)?.[1] ?? url}`
}

const functionOf = ({ functionName, url, lineNumber }: CallFrame): string => {
  const place = /(?:node_modules\/(?!\.)|packages\/)(?:.*node_modules\/)?(.+)$/.exec(url)?.[1] ?? url
  return `${functionName || 'anonymous'}${place === '' ? '' : ` (${place}:${lineNumber + 1})`}`
}
