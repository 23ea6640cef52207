import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './ports.ts'

/** A redis-server of its own, with a folder of its own. */
export interface RedisServer {
  readonly port: number
  /** `redis://127.0.0.1:PORT` */
  readonly url: string
  /** Stops the process as SIGTERM or SIGKILL does; what it has written to disk stays. */
  halt(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** Starts it anew on the same port. */
  resume(): Promise<void>
  /** SIGSTOP: the connections stay, answers do not come. */
  freeze(): void
  /** SIGCONT. */
  thaw(): void
  /** Sends one inline command and returns what comes back at once, in Redis’s own protocol. */
  command(line: string): Promise<string>
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

/**
 * Starts a redis-server on a free port.
 *
 * @param flags as on its command line, such as `['--appendonly', 'yes']`. Default: nothing is written to disk.
 */
export async function startRedis(
  flags: readonly string[] = ['--save', '', '--appendonly', 'no'],
): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-redis-'))
  const port = await freePort()
  let child = await launch(port, folder, flags)
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    halt: (signal = 'SIGTERM') => end(child, signal),
    resume: async () => {
      child = await launch(port, folder, flags)
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    command: (line) => inline(port, line),
    stop: async () => {
      child.kill('SIGCONT')
      await end(child, 'SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function launch(port: number, folder: string, flags: readonly string[]): Promise<ChildProcess> {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, ...flags]
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout?.resume()
  // A failed test may leave it behind; it must not outlive the test run.
  const orphaned = (): void => void child.kill('SIGKILL')
  process.once('exit', orphaned)
  child.once('exit', () => process.off('exit', orphaned))
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  try {
    await Promise.race([untilReady(port, child), failed])
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return child
}

async function untilReady(port: number, child: ChildProcess): Promise<void> {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; await sleep(20)) {
    if (child.exitCode !== null) throw new Error(`redis-server on port ${port} ended with ${child.exitCode}`)
    if ((await inline(port, 'PING').catch(() => '')).startsWith('+PONG')) return
  }
  throw new Error(`redis-server on port ${port} did not answer`)
}

function inline(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    socket.setEncoding('utf8')
    socket.once('connect', () => socket.write(`${line}\r\n`))
    socket.once('data', (text: string) => {
      resolve(text)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await exited
}
