import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger, createRegistry, listen } from '@llm-ferry/kit'
import { Redis } from 'ioredis'
import { Agent, request } from 'undici'
import { onTestFinished } from 'vitest'
import { KeyAdmin } from '../../packages/bff/src/keys/admin.ts'
import { KeyRing } from '../../packages/bff/src/keys/ring.ts'
import { Seals } from '../../packages/bff/src/keys/seals.ts'
import { KeySync } from '../../packages/bff/src/keys/sync.ts'
import { createPolicies } from '../../packages/bff/src/limits/policy-schema.ts'
import type { Store } from '../../packages/bff/src/store/store.ts'
import { call } from '../../packages/bff/test/limits/support.ts'
import { eventually } from '../testkit/eventually.ts'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { type Service, startBff } from '../testkit/services.ts'

const KEY = 'bff-key-of-app-0123456789'

/** Tokens that the vendor counts for each of its answers. */
export const TOKENS = { prompt: 20, completion: 5 } as const
const USAGE = { prompt_tokens: TOKENS.prompt, completion_tokens: TOKENS.completion, total_tokens: 25 }

/** How the vendor treats a call, by the word in its prompt. */
export type Fate = 'answer' | 'fail' | 'stream' | 'slow-stream' | 'held-stream'

/**
 * For tests of exactness, which holds while Redis answers in time: one that writes each change to a disk that others use
 * too may take longer than the product's bound.
 */
export const PATIENT = { REDIS_TIMEOUT_MS: '5000' } as const

/** A vendor that counts what it was asked. */
export interface CountingVendor {
  readonly origin: string
  /** Calls by fate, as they began. */
  readonly began: Map<Fate, number>
  /** Calls by the end user named in their prompt. */
  readonly users: Map<string, number>
  /** Told of each call as it begins, before anything is answered. */
  onCall: (calls: number, user: string | undefined) => void
  /** Lets `held-stream`s go on. */
  release(): void
  stop(): Promise<void>
}

async function startVendor(): Promise<CountingVendor> {
  const began = new Map<Fate, number>()
  const users = new Map<string, number>()
  let calls = 0
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const vendor: CountingVendor = { origin: '', began, users, onCall: () => {}, release, stop: async () => {} }
  const server = createServer((incoming, response) => {
    let body = ''
    incoming.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    incoming.on('end', () => {
      const fate = (/fate:([a-z-]+)/.exec(body)?.[1] ?? 'answer') as Fate
      began.set(fate, (began.get(fate) ?? 0) + 1)
      const [, user] = /user:(\S+?)"/.exec(body) ?? []
      if (user !== undefined) users.set(user, (users.get(user) ?? 0) + 1)
      vendor.onCall(++calls, user)
      void answer(fate, response, released)
    })
  })
  const port = await listen(server, 0, '127.0.0.1')
  return Object.assign(vendor, {
    origin: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

const head = { id: 'c', created: 1, model: 'gpt-x' }
const choice = (delta: object, finish_reason: string | null = null) => ({
  ...head,
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, finish_reason }],
})

async function answer(fate: Fate, response: ServerResponse, released: Promise<void>): Promise<void> {
  if (fate === 'fail') {
    response.writeHead(400, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: { message: 'no', type: 'invalid_request_error', code: null, param: null } }))
    return
  }
  if (fate === 'answer') {
    await sleep(20)
    const message = { role: 'assistant', content: 'Hello there', refusal: null }
    response.writeHead(200, { 'content-type': 'application/json' })
    const choices = [{ index: 0, message, finish_reason: 'stop', logprobs: null }]
    response.end(JSON.stringify({ ...head, object: 'chat.completion', choices, usage: USAGE }))
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const send = (event: object): boolean => response.write(`data: ${JSON.stringify(event)}\n\n`)
  send(choice({ role: 'assistant', content: '' }))
  if (fate === 'held-stream') await released
  for (let i = 0; i < (fate === 'slow-stream' ? 200 : 3) && !response.destroyed; i++) {
    send(choice({ content: `word${i} ` }))
    await sleep(fate === 'slow-stream' ? 50 : 5)
  }
  send(choice({}, 'stop'))
  send({ ...head, object: 'chat.completion.chunk', choices: [], usage: USAGE })
  response.end('data: [DONE]\n\n')
}

/** Several BFF processes on one Redis and one vendor. */
export interface Cluster {
  readonly redis: RedisServer
  readonly direct: Redis
  readonly vendor: CountingVendor
  readonly bffs: readonly Service[]
  /** Lines of all processes' ledgers. */
  records(): LedgerLine[]
  /** The same with those that a process took out of Redis and did not write down before it died. */
  allRecords(): Promise<LedgerLine[]>
  /** Posts a chat to the n-th process, modulo their number; leaves in mid-stream when the answer contains `leaveAt`. */
  chat(n: number, fate: Fate, options?: ChatOptions): Promise<Outcome>
  stop(): Promise<void>
}

/** One call of {@link Cluster.chat}. */
export interface ChatOptions {
  readonly user?: string
  /** Text of the answer at which the caller leaves. */
  readonly leaveAt?: string
  readonly maxTokens?: number
}

export interface LedgerLine {
  readonly id: string
  readonly user: string
  readonly kind: string
  readonly outcome: string
  readonly promptTokens: number
  readonly completionTokens: number
  readonly costNanos: number | null
  readonly estimated: boolean
}

/** How a call ended for its caller; status 0: the connection broke. */
export interface Outcome {
  readonly status: number
  readonly id: string
  readonly text: string
}

export async function startCluster(processes: number, env: Record<string, string>, yaml = ''): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-limits-'))
  const [redis, vendor] = await Promise.all([
    startRedis(['--appendonly', 'yes', '--appendfsync', 'always']),
    startVendor(),
  ])
  const [config, ledger] = [join(folder, 'ferry.yaml'), join(folder, 'ledger.jsonl')]
  const direct = (name: string): string => `  ${name}: { dialect: ${name}, origin: "${vendor.origin}", apiKey: none }\n`
  writeFileSync(config, `vendors:\n${['openai', 'anthropic', 'gemini'].map(direct).join('')}${yaml}`)
  const shared = {
    BFF_KEYS: `app:${KEY}`,
    FERRY_CONFIG: config,
    REDIS_URL: redis.url,
    SPOOL_DIR: join(folder, 'spool'),
    LEDGER_FILE: ledger,
    LOG_LEVEL: 'warn',
    RATE_LIMIT_RPM: '1000000',
    KEY_RATE_LIMIT_RPM: '1000000',
    ...env,
  }
  const bffs: Service[] = []
  try {
    // One after the other: a busy machine takes long enough for one.
    for (let i = 0; i < processes; i++) bffs.push(await startBff(shared))
  } catch (error) {
    await Promise.all([redis.stop(), vendor.stop(), ...bffs.map((bff) => bff.stop())])
    throw error
  }
  const client = new Redis(redis.url)
  client.on('error', () => {})
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 })
  return {
    redis,
    direct: client,
    vendor,
    bffs,
    records: () => readLedger(ledger),
    allRecords: async () => distinct([...(await unacknowledged(client)), ...readLedger(ledger)]),
    chat: (n, fate, options = {}) => chat(agent, bffs[n % bffs.length]!, fate, options),
    stop: async () => {
      await Promise.all(bffs.map((bff) => bff.stop()))
      client.disconnect()
      await Promise.all([redis.stop(), vendor.stop(), agent.destroy()])
    },
  }
}

function readLedger(file: string): LedgerLine[] {
  if (!existsSync(file)) return []
  // The last line may still be on its way.
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1).filter(Boolean)
  return lines.map((line) => JSON.parse(line) as LedgerLine)
}

/** Lines that are still in the streams: nobody has acknowledged them. */
async function unacknowledged(direct: Redis): Promise<LedgerLine[]> {
  const streams = await direct.keys('ferry:*:ledger')
  const entries = await Promise.all(streams.map((stream) => direct.xrange(stream, '-', '+')))
  return entries.flat().map(([, fields]) => JSON.parse(fields[1] ?? '') as LedgerLine)
}

/** A line that was written and not acknowledged is there twice: `id` and `kind` tell. */
function distinct(lines: readonly LedgerLine[]): LedgerLine[] {
  return [...new Map(lines.map((line) => [`${line.id} ${line.kind}`, line])).values()]
}

async function chat(
  agent: Agent,
  bff: Service,
  fate: Fate,
  { user, leaveAt, maxTokens }: ChatOptions,
): Promise<Outcome> {
  const leaving = new AbortController()
  try {
    const stream = fate.endsWith('stream')
    const body = JSON.stringify({
      model: 'openai/gpt-x',
      stream,
      user,
      max_completion_tokens: maxTokens,
      messages: [{ role: 'user', content: `fate:${fate}${user === undefined ? '' : ` user:${user}`}` }],
    })
    const response = await request(`${bff.origin}/v1/chat/completions`, {
      dispatcher: agent,
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body,
      signal: leaving.signal,
    })
    const id = String(response.headers['x-ferry-request-id'])
    let text = ''
    try {
      for await (const piece of response.body) {
        text += piece
        if (leaveAt !== undefined && text.includes(leaveAt)) leaving.abort()
      }
    } catch (error) {
      text += `cut: ${(error as Error).message}`
    }
    return { status: response.statusCode, id, text }
  } catch {
    return { status: 0, id: '', text: '' }
  }
}

/** A counter over all days. */
export async function counted(direct: Redis, field: string): Promise<number> {
  const keys = await direct.keys('ferry:*:key:app:day:*')
  const values = await Promise.all(keys.map((key) => direct.hget(key, field)))
  return values.reduce((sum, value) => sum + Number(value ?? 0), 0)
}

/** Waits until no call holds a reservation. */
export function nothingHeld(direct: Redis, timeoutMs: number): Promise<void> {
  const none = async (): Promise<boolean> => (await direct.keys('ferry:*:leases')).length === 0
  return eventually('no reservation is left', none, timeoutMs)
}

/** A metric’s sum over its labels. */
export async function metric(bff: Service, name: string): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${bff.metricsPort}/metrics`)).text()
  const lines = page.split('\n').filter((line) => line.startsWith(name))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

/** The keys of one process. */
export interface Keys {
  readonly ring: KeyRing
  readonly admin: KeyAdmin
}

/** Keys as a BFF process has them, without the rest of it. */
export async function openKeys(store: Store): Promise<Keys> {
  const ring = new KeyRing(createPolicies(call({}).policy, undefined))
  const [log, registry] = [createLogger('test', 'silent'), createRegistry()]
  const sync = new KeySync({ store, ring, seals: new Seals([]), configured: [], log, registry })
  onTestFinished(() => sync.close())
  await sync.start()
  return { ring, admin: new KeyAdmin({ ring, sync, vendors: new Set() }) }
}
