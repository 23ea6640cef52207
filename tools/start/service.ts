import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '@llm-ferry/kit'

/** A service that `npm start` runs as a process of its own. */
export interface Service {
  /** Where its log lines go. */
  readonly logFile: string
  /** Resolves when it serves. Rejects with a {@link ConfigError} in its own words when it ends instead. */
  readonly ready: Promise<void>
  stop(): Promise<void>
}

const LOGS = '.ferry'
/** A service that does not stop by itself is ended after this time, in ms. */
const STOP_TIMEOUT_MS = 5_000

/**
 * Starts a service.
 *
 * @param onExit called when it ends by itself after it has started.
 */
export function startService(name: string, env: NodeJS.ProcessEnv, onExit: (code: number) => void): Service {
  const logFile = `${LOGS}/${name}.log`
  const entry = fileURLToPath(new URL(`../../packages/${name}/src/main.ts`, import.meta.url))
  const log = openLog(logFile)
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--conditions=ferry-source', entry], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A terminal's Ctrl-C goes to its whole group; these are told by us, in order.
    detached: true,
  })
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  let told = false
  const ready = started(child, name).then(() => {
    child.once('exit', (code) => {
      if (told) return
      process.stderr.write(`llm-ferry: the ${name} ended by itself with code ${code}; its log is ${logFile}\n`)
      onExit(1)
    })
  })
  return {
    logFile,
    ready,
    stop: async () => {
      told = true
      await stopChild(child)
    },
  }
}

function openLog(file: string): NodeJS.WritableStream {
  try {
    mkdirSync(LOGS, { recursive: true })
    return createWriteStream(file, { fd: openSync(file, 'w') })
  } catch (error) {
    throw new ConfigError([
      `cannot write to ${LOGS} (${(error as NodeJS.ErrnoException).code}): make the folder writable for this user`,
    ])
  }
}

function started(child: ChildProcess, name: string): Promise<void> {
  const faults: string[] = []
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) =>
      reject(new ConfigError(faults.length > 0 ? faults : [`${name} ended at once with code ${code}`])),
    )
    if (child.stderr) createInterface({ input: child.stderr }).on('line', (line) => faults.push(line))
    if (!child.stdout) return
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes(`"event":"${name}_started"`)) resolve()
    })
  })
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const impatient = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await gone
  clearTimeout(impatient)
}
