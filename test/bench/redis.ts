import type { Command } from './processes.ts'
import { program, type Rig } from './rig.ts'

/** A Redis on loopback that keeps nothing. */
export const redisCommand = ({ run }: Rig, port: number): Command => ({
  file: program('redis-server'),
  args: ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no', '--dir', run],
})
