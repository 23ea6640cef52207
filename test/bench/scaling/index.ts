// Whether a request costs the same whatever else a service holds.
import type { Native } from '../native.ts'
import type { Rig } from '../rig.ts'
import { benchStreams } from './streams.ts'
import { benchUsers } from './users.ts'
import { benchWorkers } from './workers.ts'

/** The report in markdown; about four minutes. */
export async function benchScaling(rig: Rig, native: Native, firstPort: number, rounds = 5): Promise<string> {
  const parts = [
    await benchUsers(rig, firstPort, rounds),
    await benchStreams(rig, native, firstPort, rounds),
    await benchWorkers(rig, firstPort, rounds),
  ]
  return parts.join('\n\n')
}
