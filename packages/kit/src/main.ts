import { ConfigError } from './env.ts'

/**
 * Runs a service's start and turns what can go wrong at start into sentences on stderr and exit code 1.
 *
 * @param service how the service calls itself, such as `relay`.
 */
export async function runMain(service: string, start: () => Promise<void>): Promise<void> {
  try {
    await start()
  } catch (error) {
    for (const line of startFaults(error)) process.stderr.write(`${service}: ${line}\n`)
    process.exit(1)
  }
}

function startFaults(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.faults
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string }
  if (code === 'EADDRINUSE') return [`port ${port} is in use: stop the process that listens there, or set another port`]
  if (code === 'EACCES' && port !== undefined) return [`port ${port} needs root: choose one above 1023`]
  if (code === 'EADDRNOTAVAIL')
    return [`HOST ${address} is no address of this machine: set HOST to one that is, or 0.0.0.0`]
  return [error instanceof Error ? (error.stack ?? error.message) : String(error)]
}
