import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Native } from './native.ts'
import { cpuMs } from './proc.ts'
import { onCore, plainEnv } from './processes.ts'
import { program, type Rig } from './rig.ts'
import type { Ask } from './targets/target.ts'

/** What one run of load measured. Times in µs. */
export interface Sample {
  /** CPU time of the target for 1,000 requests or events, in ms; NaN where there is no target. */
  readonly cpu: number
  /** Requests or events a second. */
  readonly rate: number
  readonly p50: number
  readonly p99: number
  /** Streams that were open at the end. */
  readonly held: number
  readonly errors: number
}

/** Where the load goes. */
export interface Aim {
  readonly port: number
  readonly ask: Ask
  /** Process whose CPU time counts; absent for the vendor itself. */
  readonly pid: number | undefined
  /** Further ports that take their share of the connections. */
  readonly morePorts?: readonly number[]
}

interface WrkResult {
  requests: number
  seconds: number
  errors: number
  p50: number
  p99: number
}

/** Plain requests, each connection asking again as soon as it has its answer. */
export async function loadJson(rig: Rig, aim: Aim, connections: number, seconds: number): Promise<Sample> {
  const url = `http://127.0.0.1:${aim.port}${aim.ask.path}`
  const ports = [aim.port, ...(aim.morePorts ?? [])]
  const timing = [`-t${ports.length}`, `-c${connections}`, `-d${Math.round(seconds)}s`, '--timeout', '10s']
  const headers = headerLines(aim.ask).join('\n')
  const before = cpu(aim)
  const output = await capture(rig, [program('wrk'), ...timing, '-s', join(rig.native, 'post.lua'), url], {
    seconds,
    env: { BODY: aim.ask.body, HEADERS: headers, PORTS: ports.join(' ') },
  })
  const used = cpu(aim) - before
  const { requests, seconds: took, errors, p50, p99 }: WrkResult = JSON.parse(/^JSON (.*)$/m.exec(output)?.[1] ?? '')
  return { cpu: (used * 1000) / requests, rate: requests / took, p50, p99, held: 0, errors }
}

/** How streams are asked for. */
export interface StreamLoad {
  readonly connections: number
  readonly seconds: number
  readonly warmupSeconds: number
  /** New connections a second; absent: all at once. */
  readonly perSecond?: number
  /** One stream a connection, silence after it. */
  readonly once?: boolean
  /** Whether p50 and p99 are those of first events. */
  readonly firstOnly?: boolean
  /** Called when all streams run and counting has begun. */
  readonly onCounting?: () => void
}

interface SseResult {
  seconds: number
  held: number
  events: number
  errors: number
  firstError: string
  firstUs: { p50: number; p99: number }
  eventUs: { p50: number; p99: number }
}

export async function loadStreams(rig: Rig, { sse }: Native, aim: Aim, load: StreamLoad): Promise<Sample> {
  const { connections, seconds, warmupSeconds, perSecond } = load
  const argv = [sse, '-p', String(aim.port), '-P', aim.ask.path, '-b', aim.ask.body, '-c', String(connections)]
  argv.push('-d', String(seconds), '-w', String(warmupSeconds), ...headerLines(aim.ask).flatMap((line) => ['-H', line]))
  if (perSecond !== undefined) argv.push('-r', String(perSecond))
  if (load.once) argv.push('-o')
  let before = 0
  let used = 0
  const output = await capture(rig, argv, {
    seconds: seconds + warmupSeconds + (perSecond === undefined ? 0 : connections / perSecond + 30),
    onStderr: () => {
      before = cpu(aim)
      load.onCounting?.()
    },
    onStdout: () => {
      used = cpu(aim) - before
    },
  })
  const result: SseResult = JSON.parse(output)
  if (result.errors > 0) console.error(`bench: ${result.errors} streams failed: ${result.firstError}`)
  const { p50, p99 } = load.firstOnly ? result.firstUs : result.eventUs
  const { events, held, errors } = result
  return { cpu: (used * 1000) / events, rate: events / result.seconds, p50, p99, held, errors }
}

const cpu = ({ pid }: Aim): number => (pid === undefined ? Number.NaN : cpuMs(pid))

const headerLines = ({ headers }: Ask): string[] => Object.entries(headers).map(([name, value]) => `${name}: ${value}`)

interface CaptureOptions {
  /** How long it should take. */
  readonly seconds: number
  readonly env?: Readonly<Record<string, string>>
  readonly onStdout?: () => void
  readonly onStderr?: () => void
}

/** Runs a program to its end and returns what it printed. */
function capture({ cores }: Rig, command: readonly string[], options: CaptureOptions): Promise<string> {
  const [file, ...args] = onCore(cores?.others, command)
  const child = spawn(file ?? '', args, { env: plainEnv(options.env), stdio: ['pipe', 'pipe', 'pipe'] })
  const timeout = setTimeout(() => child.kill('SIGKILL'), (options.seconds + 30) * 1000)
  let output = ''
  let faults = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    options.onStdout?.()
    // It ends, and its connections with it, only when its standard input does.
    child.stdin.end()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    faults += text
    options.onStderr?.()
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timeout)
      if (code === 0) resolve(output)
      else reject(new Error(`${command[0]} ended with ${code}: ${faults} ${output}`))
    })
  })
}
