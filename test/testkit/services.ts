import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from './ports.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A service as a real process of its own. */
export interface Service {
  readonly origin: string
  readonly port: number
  readonly metricsPort: number
  readonly pid: number
  /** Lines on stdout and stderr so far. */
  readonly lines: readonly string[]
  readonly exited: Promise<Exit>
  /** The lines as one text. */
  log(): string
  signal(name: NodeJS.Signals): void
  /** Ends the process at once, if it still runs. */
  stop(): Promise<void>
}

/** Environment of a service; METRICS_PORT is filled in, and PORT where it is absent. */
export type ServiceEnv = Readonly<Record<string, string>>

/** Tokens and keys of every test relay; long enough to be searched for in whatever must not hold them. */
export const RELAY_TOKEN = 'relay-token-caller-0123456789abcdef'
export const VENDOR_KEYS = {
  openai: 'sk-vendor-openai-0123456789abcdef',
  anthropic: 'sk-ant-vendor-0123456789abcdef',
  gemini: 'AIza-vendor-gemini-0123456789abcdef',
} as const

/** The vendors that the services know by name. */
export type Vendor = keyof typeof VENDOR_KEYS
export const VENDORS: readonly Vendor[] = ['openai', 'anthropic', 'gemini']

/** Environment of a relay in front of `upstream`, an origin for all vendors or one for each. */
export function relayEnv(upstream: string | Readonly<Record<Vendor, string>>, more: ServiceEnv = {}): ServiceEnv {
  const at = typeof upstream === 'string' ? { openai: upstream, anthropic: upstream, gemini: upstream } : upstream
  return {
    RELAY_TOKENS: `app:${RELAY_TOKEN}`,
    OPENAI_API_KEY: VENDOR_KEYS.openai,
    ANTHROPIC_API_KEY: VENDOR_KEYS.anthropic,
    GEMINI_API_KEY: VENDOR_KEYS.gemini,
    OPENAI_UPSTREAM: at.openai,
    ANTHROPIC_UPSTREAM: at.anthropic,
    GEMINI_UPSTREAM: at.gemini,
    ...more,
  }
}

/** Another build of the relay can be tested by naming its file in FERRY_RELAY_ENTRY. */
export const RELAY_ENTRY: string = process.env.FERRY_RELAY_ENTRY ?? 'packages/relay/src/main.ts'

export const startRelay = (env: ServiceEnv): Promise<Service> => startService(RELAY_ENTRY, env)
export const startBff = (env: ServiceEnv): Promise<Service> => startService('packages/bff/src/main.ts', env)

/** Starts a service on free ports and waits for /ready. Another process may snatch a port, so it tries three times. */
async function startService(entry: string, env: ServiceEnv): Promise<Service> {
  for (let attempt = 1; ; attempt++) {
    const service = await launch(entry, env)
    if (await isReady(service)) return service
    await service.stop()
    if (attempt === 3 || !/in use/.test(service.log())) throw new Error(`${entry} did not start:\n${service.log()}`)
  }
}

/** Starts a service that is expected to refuse; returns how it ended and what it said. */
export async function startFailing(entry: string, env: ServiceEnv): Promise<Exit & { readonly log: string }> {
  const service = await launch(entry, env)
  const exit = await Promise.race([service.exited, sleep(10_000)])
  await service.stop()
  if (!exit) throw new Error(`${entry} started although it should have refused:\n${service.log()}`)
  return { ...exit, log: service.log() }
}

async function launch(entry: string, env: ServiceEnv): Promise<Service> {
  const [port, metricsPort] = [Number(env.PORT ?? (await freePort())), await freePort()]
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--conditions=ferry-source', entry], {
    cwd: root,
    // Nothing of the test run's own environment: proxies and vendor keys of the machine must not leak in.
    env: { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: String(port), METRICS_PORT: String(metricsPort), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // A failed test may leave a service behind; it must not outlive the test run.
  const orphaned = (): void => void child.kill('SIGKILL')
  process.once('exit', orphaned)
  child.once('close', () => process.off('exit', orphaned))
  const lines = collectLines(child)
  const exited = new Promise<Exit>((resolve) => child.on('close', (code, signal) => resolve({ code, signal })))
  return {
    origin: `${env.TLS_CERT_FILE ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    metricsPort,
    pid: child.pid ?? 0,
    lines,
    exited,
    log: () => lines.join('\n'),
    signal: (name) => void child.kill(name),
    stop: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

function collectLines(child: ChildProcess): readonly string[] {
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts)
    })
    stream?.on('end', () => rest && lines.push(rest))
  }
  return lines
}

async function isReady(service: Service): Promise<boolean> {
  let gone = false
  void service.exited.then(() => {
    gone = true
  })
  for (const deadline = performance.now() + 15_000; performance.now() < deadline && !gone; await sleep(30)) {
    const ready = await fetch(`${service.origin}/ready`).catch(() => undefined)
    await ready?.body?.cancel()
    if (ready?.status === 200) return true
  }
  return false
}

/** Memory and open descriptors of a process. Linux only. */
export interface Vitals {
  readonly rssMiB: number
  readonly descriptors: number
}

export function vitals(pid: number): Vitals {
  const [, kib = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return { rssMiB: Number(kib) / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length }
}
