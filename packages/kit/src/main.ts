import { constants } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { ConfigError } from './env.ts'

/**
 * Runs a service's start and turns what can go wrong at start into sentences on stderr and exit code 1.
 *
 * This file needs no package, and `start` should import what does: then it can say that one is missing.
 *
 * @param service how the service calls itself, such as `relay`.
 */
export async function runMain(service: string, start: () => Promise<void>): Promise<void> {
  setFlagsFromString(NO_PRETENURING)
  // The first process of a container ignores signals that it has no handler for, and would start in spite of them.
  for (const signal of SIGNALS) process.on(signal, endAtOnce)
  try {
    await start()
    for (const signal of SIGNALS) process.off(signal, endAtOnce)
  } catch (error) {
    for (const line of startFaults(error)) process.stderr.write(`${service}: ${line}\n`)
    process.exit(1)
  }
}

// What a request allocates lives as long as the request. Under a load that begins at once V8 takes it for long-lived and
// allocates it in the old generation for good, where each dead object keeps what it points to: measured at the relay,
// 5 KiB a request that only a full collection frees, and a tenth of its CPU time.
const NO_PRETENURING = '--no-allocation-site-pretenuring'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

const endAtOnce = (signal: NodeJS.Signals): never => process.exit(128 + constants.signals[signal])

/** What a failed `listen` adds to the system's error: what was asked for, and in which variable. */
type StartError = NodeJS.ErrnoException & { port?: number; address?: string; hostname?: string; variable?: string }

function startFaults(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.faults
  const { code, port, address, hostname, variable = 'PORT', message } = error as StartError
  if (code === 'EADDRINUSE')
    return [`port ${port} is in use: stop the process that listens there, or set ${variable} to another port`]
  if (code === 'EACCES' && port !== undefined) return [`port ${port} needs root: set ${variable} to one above 1023`]
  if (code === 'EADDRNOTAVAIL')
    return [`HOST ${address} is no address of this machine: set HOST to one that is, or 0.0.0.0`]
  if ((code === 'ENOTFOUND' || code === 'EAI_AGAIN') && isOfListen(error))
    return [`HOST ${hostname} cannot be resolved (${code}): set HOST to an address of this machine, or 0.0.0.0`]
  const missing = code === 'ERR_MODULE_NOT_FOUND' ? /^Cannot find package '([^']+)'/.exec(message)?.[1] : undefined
  if (missing !== undefined) return [`node_modules is incomplete: delete it and run again (${missing} is missing)`]
  return [error instanceof Error ? (error.stack ?? error.message) : String(error)]
}

// Other names are looked up at start too, such as Redis's; those are not HOST.
const isOfListen = (error: unknown): boolean => error instanceof Error && 'variable' in error
