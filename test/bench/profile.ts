import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
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

const SECONDS = 10

/** Runs a target on Node under `--cpu-prof` and a measure's load; tells where its time goes. */
export async function profile(rig: Rig, native: Native, target: Target, measure: Measure): Promise<string> {
  const folder = join(rig.run, 'profiles')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=500']
  const started = await startTarget(rig, target, rig.firstPort, flags)
  if (started?.server === undefined) throw new Error(`${target.name} has no process to profile`)
  const aim = { port: started.port, ask: target.ask(measure.order, rig), pid: started.server.pid }
  await measure.run(rig, native, aim, SECONDS)
  await started.server.stop()
  const [file] = readdirSync(folder)
  if (file === undefined) throw new Error(`${target.name} wrote no profile: only targets on Node can be profiled`)
  const parsed: CpuProfile = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  const tops = [top(parsed, ownerOf, 'who'), top(parsed, functionOf, 'function')]
  return [`### Where ${target.name} spends its time: ${measure.name}`, ...tops, `Profile: ${join(folder, file)}`].join(
    '\n\n',
  )
}

/** The ten largest sums of self time, as shares of the time in which the process was busy. */
function top(profile: CpuProfile, nameOf: (frame: CallFrame) => string, head: string): string {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const sums = new Map<string, number>()
  profile.samples.forEach((id, i) => {
    const frame = frames.get(id)
    if (frame === undefined || frame.functionName === '(idle)') return
    const name = nameOf(frame)
    sums.set(name, (sums.get(name) ?? 0) + (profile.timeDeltas[i] ?? 0))
  })
  const busy = [...sums.values()].reduce((total, each) => total + each, 0)
  const rows = [...sums].sort(([, a], [, b]) => b - a).slice(0, head === 'who' ? 10 : 20)
  return table(
    [head, 'share %'],
    rows.map(([name, time]) => [name, ((time / busy) * 100).toFixed(1)]),
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
