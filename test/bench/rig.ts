import { existsSync, mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository. */
export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))
const NATIVE = fileURLToPath(new URL('native/', import.meta.url))

/** Credentials of the benchmark; no secret of anybody. */
export const CALLER_TOKEN = 'caller-token-0123456789abcdef0123456789abcdef'
export const VENDOR_KEY = 'sk-vendor-0123456789abcdef0123456789abcdef'

/** Where things are, and on which cores they run. */
export interface Rig {
  /** Peers and compiled programs, kept between runs. */
  readonly cache: string
  /** Configuration, logs and results of the last run. */
  readonly run: string
  readonly native: string
  /** The mock vendor, without a trailing slash. */
  readonly vendorUrl: string
  readonly vendorPort: number
  readonly redisPort: number
  readonly firstPort: number
  /** The target's core and everybody else's; absent on machines with one core, or without taskset. */
  readonly cores?: { readonly target: number; readonly others: number }
}

export function openRig(): Rig {
  const cache = join(ROOT, '.ferry', 'bench')
  const run = join(cache, 'run')
  mkdirSync(run, { recursive: true })
  const vendorPort = 19_100
  const pinned = availableParallelism() >= 2 && findProgram('taskset') !== undefined
  return {
    cache,
    run,
    native: NATIVE,
    vendorUrl: `http://127.0.0.1:${vendorPort}`,
    vendorPort,
    redisPort: vendorPort + 1,
    firstPort: vendorPort + 2,
    ...(pinned && { cores: { target: 0, others: 1 } }),
  }
}

/** Path of a program, as the shell would find it; nginx stands in a folder that only root's shell looks into. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** As {@link findProgram}. @throws when there is none. */
export function program(name: string): string {
  const path = findProgram(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}
