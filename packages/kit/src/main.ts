import { constants } from 'node:os'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import type { Check } from './check/check.ts'
import { ConfigError } from './env.ts'
import { readSettings } from './env-file.ts'

/** What a service's main can do. Each imports what it needs. */
export interface Main {
  readonly start: () => Promise<void>
  /** How its configuration is checked. */
  readonly check: () => Promise<Check>
}

const OPTIONS = {
  env: { type: 'string', multiple: true },
  check: { type: 'boolean' },
  json: { type: 'boolean' },
  quiet: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  // The relay's own, for the processes that it starts.
  worker: { type: 'string' },
} as const

const HELP = `  --env FILE   read NAME=value lines; the environment comes before them. Several: a later one comes before an earlier one
  --check      check the whole configuration, print what is in force and where it comes from, and end; exit code 1: it would not start
  --json       with --check: as JSON
  --quiet      with --check: only what is wrong
`

/**
 * Runs a service's start and turns what can go wrong at start into sentences on stderr and exit code 1; with `--check`
 * only looks at its configuration.
 *
 * This file needs no package, and `main` should import what does: then it can say that one is missing.
 *
 * @param service how the service calls itself, such as `relay`.
 */
export async function runMain(
  service: string,
  main: Main,
  args: readonly string[] = process.argv.slice(2),
): Promise<void> {
  setFlagsFromString(NO_PRETENURING)
  // The first process of a container ignores signals that it has no handler for, and would start in spite of them.
  for (const signal of SIGNALS) process.on(signal, endAtOnce)
  try {
    await run(service, main, args)
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

async function run(service: string, { start, check }: Main, args: readonly string[]): Promise<void> {
  const options = optionsOf(service, args)
  if (options.help) return void process.stdout.write(`${service}: runs until a signal stops it\n\n${HELP}`)
  if (options.check) return runChecked(service, check, options)
  if (options.env) Object.assign(process.env, readSettings(process.env, options.env).env)
  await start()
}

type Options = ReturnType<typeof optionsOf>

function optionsOf(service: string, args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values
  } catch (error) {
    throw new ConfigError([`${(error as Error).message}; ${service} --help lists what there is`])
  }
}

async function runChecked(service: string, load: Main['check'], options: Options): Promise<void> {
  const { runCheck, unreadable } = await import('./check/run.ts')
  const how = { json: options.json === true, quiet: options.quiet === true }
  const check = await load()
  let found: { readonly ok: boolean; readonly text: string }
  try {
    found = runCheck(service, check, readSettings(process.env, options.env ?? []), how)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    found = { ok: false, text: unreadable(service, error, how) }
  }
  process.stdout.write(found.text)
  process.exitCode = found.ok ? 0 : 1
}

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
