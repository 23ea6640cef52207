import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A program and how it is started. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export interface Running {
  readonly pid: number
  /** Ends it and all that it started. */
  stop(): Promise<void>
}

/** Processes that outlive SIGTERM this long are killed, in ms. */
const STOP_TIMEOUT_MS = 10_000

const running = new Set<Running>()

/** What a process of the benchmark sees: nothing of this machine's proxies and keys. */
export const plainEnv = (more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  LANG: 'C.UTF-8',
  ...more,
})

/** Starts a command on a core, its output in a file, and waits until it listens on the port. */
export async function startServer(
  command: Command,
  options: { port: number; log: string; core: number | undefined; startMs?: number | undefined },
): Promise<Running> {
  const output = openSync(options.log, 'w')
  const [file, ...args] = onCore(options.core, [command.file, ...command.args])
  const child = spawn(file ?? '', args, {
    env: plainEnv(command.env),
    stdio: ['ignore', output, output],
    detached: true,
    ...(command.cwd !== undefined && { cwd: command.cwd }),
  })
  closeSync(output)
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.once('error', () => {})
  const server: Running = { pid: child.pid ?? 0, stop: () => stopGroup(child, gone, server) }
  running.add(server)
  if (await listens(options.port, child, options.startMs ?? 20_000)) return server
  await server.stop()
  throw new Error(`${command.file} does not listen on ${options.port}; see ${options.log}`)
}

export function onCore(core: number | undefined, argv: readonly string[]): readonly string[] {
  return core === undefined ? argv : ['taskset', '-c', String(core), ...argv]
}

async function stopGroup(child: ChildProcess, gone: Promise<void>, server: Running): Promise<void> {
  running.delete(server)
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const group = -child.pid
  process.kill(group, 'SIGTERM')
  const impatient = setTimeout(() => process.kill(group, 'SIGKILL'), STOP_TIMEOUT_MS)
  await gone
  clearTimeout(impatient)
}

/** Ends whatever still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((server) => server.stop()))
}

async function listens(port: number, child: ChildProcess, withinMs: number): Promise<boolean> {
  for (const deadline = performance.now() + withinMs; performance.now() < deadline; await sleep(50)) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false
    if (await accepts(port)) return true
  }
  return false
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
