import { spawn } from 'node:child_process'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { root, type Started, start, startEnv } from '../e2e/start.ts'
import { json, sseHead } from '../testkit/dialects.ts'
import type { Field } from '../testkit/http-reader.ts'
import { afterBody, chunk, type Script, ScriptedVendor, type Step } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startBff, startRelay } from '../testkit/services.ts'

const BFF_KEY = 'bff-key-of-app-0123456789'
const SESSION_SECRET = 'session-secret-0123456789abcdef'

/** What an example is told: where things are, and the keys to them. */
export type ExampleEnv = Readonly<Record<'FERRY_URL' | 'FERRY_KEY' | 'RELAY_URL' | 'RELAY_TOKEN', string>>

/** What a program said, and how it ended. */
export interface Ended {
  readonly code: number | null
  readonly output: string
}

/** `npm start` with its sandbox, for the tests of one file; the value is what it told its user. */
export function npmStart(more: Record<string, string> = {}): { readonly env: ExampleEnv } {
  let started: Started | undefined
  let env: ExampleEnv | undefined
  beforeAll(async () => {
    const ports = await startEnv(more)
    started = start(ports)
    await started.says('Ctrl-C stops everything', 60_000)
    const [, ferryKey = ''] = /authorization: Bearer (\w+)/.exec(started.output()) ?? []
    const [, relayToken = ''] = /apiKey: '(\w+)'/.exec(started.output()) ?? []
    env = {
      FERRY_URL: `http://127.0.0.1:${ports.BFF_PORT}`,
      FERRY_KEY: ferryKey,
      RELAY_URL: `http://127.0.0.1:${ports.RELAY_PORT}`,
      RELAY_TOKEN: relayToken,
    }
  }, 90_000)
  afterAll(async () => {
    started?.child.kill('SIGINT')
    await started?.exited
  })
  return {
    get env() {
      return running(env)
    },
  }
}

/** Relay and BFF in front of a vendor that does what a script says. */
export interface Chain {
  readonly vendor: ScriptedVendor
  readonly env: ExampleEnv
}

/** @param more variables of the BFF. */
export function scriptedChain(more: Record<string, string> = {}): Chain {
  let vendor: ScriptedVendor | undefined
  let services: readonly [relay: Service, bff: Service] | undefined
  beforeAll(async () => {
    vendor = await ScriptedVendor.start()
    const relay = await startRelay(relayEnv(vendor.origin))
    services = [
      relay,
      await startBff({ BFF_KEYS: `app:${BFF_KEY}`, SESSION_SECRET, RELAY_URLS: relay.origin, RELAY_TOKEN, ...more }),
    ]
  }, 60_000)
  beforeEach(() => vendor?.clear())
  afterAll(async () => {
    for (const service of services ?? []) await service.stop()
    await vendor?.stop()
  })
  return {
    get vendor() {
      return running(vendor)
    },
    get env() {
      const [relay, bff] = running(services)
      return { FERRY_URL: bff.origin, FERRY_KEY: BFF_KEY, RELAY_URL: relay.origin, RELAY_TOKEN }
    },
  }
}

/** A server that does what a script says, in the BFF's place. */
export function scriptedServer(): Chain {
  let server: ScriptedVendor | undefined
  beforeAll(async () => {
    server = await ScriptedVendor.start()
  })
  beforeEach(() => server?.clear())
  afterAll(() => server?.stop())
  return {
    get vendor() {
      return running(server)
    },
    get env() {
      return { FERRY_URL: running(server).origin, FERRY_KEY: BFF_KEY, RELAY_URL: '', RELAY_TOKEN: '' }
    },
  }
}

/** Answers the first request with the first list of steps, and so on; the last list serves all that follow. */
export function inTurn(...answers: readonly (readonly Step[])[]): Script {
  let turn = 0
  return afterBody(() => answers[Math.min(turn++, answers.length - 1)] ?? [])
}

/** An error of ours, as the BFF writes it. */
export const refusal = (status: number, code: string, headers: readonly Field[] = []): readonly Step[] =>
  json(JSON.stringify({ error: { message: `told ${code}`, type: 'api_error', param: null, code } }), status, headers)

/** The beginning of a stream in OpenAI's format; how it goes on is the caller's. */
export const streamOf = (...pieces: readonly string[]): readonly Step[] => [
  sseHead(),
  ...pieces.map((content) => chunk(`data: ${JSON.stringify({ ...CHUNK, choices: [choice(content)] })}\n\n`)),
]

const CHUNK = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1764000000, model: 'gpt-x' }
const choice = (content: string) => ({ index: 0, delta: { role: 'assistant', content }, finish_reason: null })

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Below the repository's root, or absolute. */
  readonly cwd?: string
  /** Typed into it. */
  readonly input?: string
  /** Called with everything said so far, whenever something is. */
  readonly onOutput?: (output: string) => void
}

/** Runs a program to its end. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { env = {}, cwd = root, input = '', onOutput } = options
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: 'pipe' })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      onOutput?.(output)
    })
  // A program that reads nothing may be gone before its input is.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}

const REGISTRY_AWAY =
  /Could not (transfer|resolve|find) artifact|Unknown host|No matching distribution|NewConnectionError/

/** Whether Maven or pip failed because its registry is out of reach: a test then says so instead of failing. */
export const isRegistryAway = (output: string): boolean => REGISTRY_AWAY.test(output)

function running<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('only inside tests')
  return value
}
