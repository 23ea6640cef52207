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

const WARMUP_SECONDS = 4
const SECONDS = 8

/** Runs a target on Node under a measure's load, warm, with V8's sampling on; tells where its time goes. */
export async function profile(rig: Rig, native: Native, target: Target, measure: Measure): Promise<string> {
  const file = join(rig.run, `${target.name}-${measure.name}.cpuprofile`)
  rmSync(file, { force: true })
  const preload = ['--import', new URL('profiler.ts', import.meta.url).href]
  const started = await startTarget(rig, target, rig.firstPort, { nodeArgs: preload, env: { BENCH_PROFILE: file } })
  if (started?.server === undefined) throw new Error(`${target.name} has no process to profile`)
  const { pid } = started.server
  const aim = { port: started.port, ask: target.ask(measure.order, rig), pid }
  await measure.run(rig, native, aim, WARMUP_SECONDS)
  process.kill(pid, 'SIGUSR2')
  await measure.run(rig, native, aim, SECONDS)
  process.kill(pid, 'SIGUSR2')
  for (let i = 0; i < 50 && !existsSync(file); i++) await sleep(100)
  await started.server.stop()
  const parsed: CpuProfile = JSON.parse(readFileSync(file, 'utf8'))
  const tops = [top(parsed, ownerOf, 'who', 12), top(parsed, functionOf, 'function', 25)]
  return [`### Where ${target.name} spends its time: ${measure.name}`, ...tops, `Profile: ${file}`].join('\n\n')
}

/** The largest sums of self time, as shares of the time in which the process was busy. */
function top(profile: CpuProfile, nameOf: (frame: CallFrame) => string, head: string, rows: number): string {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const sums = new Map<string, number>()
  profile.samples.forEach((id, i) => {
    const frame = frames.get(id)
    if (frame === undefined || frame.functionName === '(idle)') return
    const name = nameOf(frame)
    sums.set(name, (sums.get(name) ?? 0) + (profile.timeDeltas[i] ?? 0))
  })
  const busy = [...sums.values()].reduce((total, each) => total + each, 0)
  const largest = [...sums].sort(([, a], [, b]) => b - a).slice(0, rows)
  return table(
    [head, 'share %'],
    largest.map(([name, time]) => [name, ((time / busy) * 100).toFixed(1)]),
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
