import { setTimeout as sleep } from 'node:timers/promises'
import { type Aim, loadJson, loadStreams } from '../load.ts'
import type { Native } from '../native.ts'
import { cpuMs } from '../proc.ts'
import { startServer } from '../processes.ts'
import { redisCommand } from '../redis.ts'
import type { Part } from '../report.ts'
import type { Rig } from '../rig.ts'
import { type Started, startTarget } from '../started.ts'
import { bffWithRedis } from '../targets/bff.ts'
import { relay } from '../targets/relay.ts'
import type { Order, Target } from '../targets/target.ts'
import { byTurns, type Condition, turnsTable, turnsVerdicts } from './turns.ts'

const CONNECTIONS = 64
const SECONDS = 2
const STREAMS = 5000
const PER_SECOND = 250
const PLAIN: Order = { shape: 'openai', stream: false, events: 0, intervalUs: 0 }
/** Long enough to be silent under a run of load; the first event tells the load that the stream is open. */
const SILENT: Order = { shape: 'openai', stream: true, events: 1_000_000, intervalUs: 20_000_000 }

/** What a request costs while one stream is open beside it, and while thousands are. */
export async function benchStreams(rig: Rig, native: Native, firstPort: number, rounds: number): Promise<Part> {
  const redis = await startServer(redisCommand(rig, firstPort), {
    port: firstPort,
    log: `${rig.run}/redis-streams.log`,
    core: rig.cores?.others,
  })
  try {
    const tables: Part[] = []
    for (const [index, target] of [relay, bffWithRedis].entries()) {
      tables.push(
        await benchTarget({ ...rig, redisPort: firstPort }, native, target, firstPort + 1 + 2 * index, rounds),
      )
    }
    return {
      text: ['### Open streams beside requests', ...tables.map(({ text }) => text)].join('\n\n'),
      verdicts: tables.flatMap(({ verdicts }) => verdicts),
    }
  } finally {
    await redis.stop()
  }
}

async function benchTarget(rig: Rig, native: Native, target: Target, port: number, rounds: number): Promise<Part> {
  const levels = [1, STREAMS]
  const started = await Promise.all(levels.map((_, index) => start(rig, target, port + index)))
  try {
    const seconds = (rounds + 1) * levels.length * (2 * SECONDS + 1) + STREAMS / PER_SECOND
    const held = started.map(async (one, index) => {
      const aim = aimAt(one, target.ask(SILENT, rig))
      const { promise: isOpen, resolve: opened } = Promise.withResolvers<void>()
      const connections = levels[index] ?? 1
      const load = { connections, seconds, warmupSeconds: 1, perSecond: PER_SECOND, once: true, onCounting: opened }
      return { isOpen, done: loadStreams(rig, native, aim, load) }
    })
    const holding = await Promise.all(held)
    await Promise.all(holding.map(({ isOpen }) => isOpen))
    const conditions = started.map((one, index): Condition => {
      const aim = aimAt(one, target.ask(PLAIN, rig))
      const name = `${target.name}, ${levels[index]?.toLocaleString('en')} open`
      return { name, ...(index > 0 && { goal: 1.1 }), measure: () => aboveIdle(rig, aim) }
    })
    const outcomes = await byTurns(`streams ${target.name}`, conditions, rounds)
    const samples = await Promise.all(holding.map(({ done }) => done))
    const open = samples.map(({ held }) => String(held))
    return { text: turnsTable('streams', outcomes, { 'open to the end': open }), verdicts: turnsVerdicts(outcomes) }
  } finally {
    await Promise.all(started.map(({ server }) => server?.stop()))
  }
}

async function start(rig: Rig, target: Target, port: number): Promise<Started> {
  const started = await startTarget(rig, target, port)
  if (started?.server === undefined) throw new Error(`${target.name} does not start`)
  return started
}

const aimAt = ({ port, server }: Started, ask: Aim['ask']): Aim => ({ port, ask, pid: server?.pid })

/** CPU of requests alone: what the streams themselves use meanwhile, heartbeats and leases, is taken off. */
async function aboveIdle(rig: Rig, aim: Aim): Promise<number> {
  const pid = aim.pid ?? 0
  const before = cpuMs(pid)
  await sleep(SECONDS * 1000)
  const idleMs = cpuMs(pid) - before
  const { cpu, rate, errors } = await loadJson(rig, aim, CONNECTIONS, SECONDS)
  if (errors > 0) throw new Error(`${errors} calls failed beside open streams`)
  return cpu - (idleMs * 1000) / (rate * SECONDS)
}
