// Whether a request costs the same whatever else a service holds.
import type { Native } from '../native.ts'
import type { Part } from '../report.ts'
import type { Rig } from '../rig.ts'
import { benchStreams } from './streams.ts'
import { benchUsers } from './users.ts'
import { benchWorkers } from './workers.ts'

/** About four minutes. */
export async function benchScaling(rig: Rig, native: Native, firstPort: number, rounds = 5): Promise<Part> {
  const parts = [
    await benchUsers(rig, firstPort, rounds),
    await benchStreams(rig, native, firstPort, rounds),
    await benchWorkers(rig, firstPort, rounds),
  ]
  return { text: parts.map(({ text }) => text).join('\n\n'), verdicts: parts.flatMap(({ verdicts }) => verdicts) }
}
