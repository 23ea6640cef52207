import { loadJson } from '../load.ts'
import type { Part } from '../report.ts'
import type { Rig } from '../rig.ts'
import { startTarget } from '../started.ts'
import { relay } from '../targets/relay.ts'
import type { Order } from '../targets/target.ts'
import { byTurns, type Condition, turnsTable, turnsVerdicts } from './turns.ts'

const CONNECTIONS = 64
const SECONDS = 2
const PLAIN: Order = { shape: 'openai', stream: false, events: 0, intervalUs: 0 }

/** What a request costs one relay process, and each of two; nobody has a core to himself. */
export async function benchWorkers(rig: Rig, firstPort: number, rounds: number): Promise<Part> {
  const { cores: _, ...free } = rig
  const counts = [1, 2]
  const started = await Promise.all(
    counts.map((workers, index) =>
      startTarget(free, relay, firstPort + 4 * index, { env: { RELAY_WORKERS: String(workers) } }),
    ),
  )
  try {
    const conditions = started.map((one, index): Condition => {
      if (one?.server === undefined) throw new Error('the relay does not start')
      const { pid } = one.server
      const workers = counts[index] ?? 1
      const morePorts = Array.from({ length: workers - 1 }, (_, more) => one.port + 1 + more)
      const aim = { port: one.port, morePorts, ask: relay.ask(PLAIN, rig), pid }
      return {
        name: `${workers} worker${workers > 1 ? 's' : ''}`,
        ...(workers > 1 && { goal: 1.1 }),
        measure: async () => {
          const { cpu, errors } = await loadJson(free, aim, CONNECTIONS * workers, SECONDS)
          if (errors > 0) throw new Error(`${errors} calls failed with ${workers} workers`)
          return cpu
        },
      }
    })
    const outcomes = await byTurns('workers', conditions, rounds)
    const text = `### Workers of the relay\n\n${turnsTable('64 connections a worker', outcomes)}`
    return { text, verdicts: turnsVerdicts(outcomes) }
  } finally {
    await Promise.all(started.map((one) => one?.server?.stop()))
  }
}
