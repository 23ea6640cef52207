import { type ChildProcess, spawn, spawnSync } from 'node:child_process'

// As root on Debian some of these lie outside PATH.
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`

/** A program that was started, not one of our services. */
export interface Program {
  /** What it has written so far. */
  log(): string
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a program; it does not outlive the test run. */
export function startProgram(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  const child = spawn(command, args, { env: { PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  child.once('close', () => running.delete(child))
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
  }
  child.once('error', (error) => {
    text += error.message
  })
  return { log: () => text, stop: () => end(child) }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const impatient = setTimeout(() => child.kill('SIGKILL'), 5000)
  await exited
  clearTimeout(impatient)
}

/** How a program ended that runs to its end. */
export interface Finished {
  readonly status: number | null
  /** stdout and stderr. */
  readonly output: string
}

/** Runs a program to its end. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; input?: string; cwd?: string } = {},
): Finished {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 120_000,
    ...options,
    env: { PATH, ...options.env },
  })
  return { status, output: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` }
}
