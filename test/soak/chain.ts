import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFerry, type Ferry, FerryError } from '@llm-ferry/sdk'
import { Agent, fetch as undiciFetch } from 'undici'
import { Line } from '../border/line.ts'
import { DIALECTS, type Dialect, json, rightAnswer, slowAnswer, sseHead } from '../testkit/dialects.ts'
import { startRedis } from '../testkit/redis.ts'
import { afterBody, chunk, delay, hang, reset, ScriptedVendor, type Step } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, startBff, startRelay, VENDORS } from '../testkit/services.ts'
import { CALLERS, expectFailure, type Soak, type Trial } from './watch.ts'

const KEY = 'bff-key-0123456789abcdef01234567'
const STRANGER = 'sk-stranger-0123456789abcdef0123'
const UNLIMITED = '1000000000'
/** A connection over the border carries this many bytes at most before it is cut, and this many at least. */
const CUT_AFTER = { least: 2000, most: 60_000 }
/** How long a relay keeps an exchange that nobody asks for. */
const GRACE_MS = 20_000
/** All connections over the border are cut together so often, in s. */
const CUT_ALL_EVERY = 7
/** Redis is away for a second so often, in s: the limits go on in memory meanwhile. */
const FREEZE_EVERY = 97
/** The BFF asks it again only after a while. */
const REDIS_REST_MS = 15_000

type Which = (typeof VENDORS)[number]

interface Kind {
  readonly weight: number
  readonly steps: (dialect: Dialect, streamed: boolean) => readonly Step[]
  readonly call: (chain: Chain, vendor: Which) => Promise<void>
}

interface Chain {
  readonly ferry: Ferry
  readonly origin: string
  readonly agent: Agent
  /** The text that each vendor's fixture makes, plain and streamed; the first call tells. */
  readonly texts: Map<string, string>
  /** When Redis was last away: what is repeated meanwhile is a new call. */
  redisAwayAt: number
}

const ask = (vendor: Which, kind: string) => ({
  model: `${vendor}/kind-${kind}`,
  messages: [{ role: 'user' as const, content: 'Say hello' }],
})

function sameText({ texts }: Chain, what: string, text: string): void {
  const known = texts.get(what)
  if (text === '') throw new Error('no text')
  if (known === undefined) texts.set(what, text)
  else if (known !== text) throw new Error(`another text than before: ${text.slice(0, 200)}`)
}

async function streamText({ ferry }: Chain, vendor: Which, kind: string, signal?: AbortSignal): Promise<string> {
  let text = ''
  for await (const event of ferry.chat.stream(ask(vendor, kind), signal && { signal })) {
    if (event.type === 'text-delta') text += event.text
  }
  return text
}

async function expectCode(codes: readonly string[], call: Promise<unknown>): Promise<void> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const code = FerryError.is(error) ? error.code : undefined
  if (code === undefined || !codes.includes(code)) throw new Error(`not ${codes[0]} but ${code} ${String(error)}`)
}

const KINDS: Readonly<Record<string, Kind>> = {
  plain: {
    weight: 6,
    steps: rightAnswer,
    call: async (chain, vendor) =>
      sameText(chain, `plain ${vendor}`, (await chain.ferry.chat(ask(vendor, 'plain'))).text),
  },
  stream: {
    weight: 6,
    steps: (dialect) => slowAnswer(dialect, 5),
    call: async (chain, vendor) => sameText(chain, `stream ${vendor}`, await streamText(chain, vendor, 'stream')),
  },
  native: {
    weight: 3,
    steps: (dialect) => slowAnswer(dialect, 2),
    call: async (chain, vendor) => {
      const { origin, agent } = chain
      const dialect = DIALECTS[vendor]
      const [name, value] = dialect.credential
      const answer = await undiciFetch(`${origin}/proxy/${vendor}${dialect.streamPath}`, {
        method: 'POST',
        dispatcher: agent,
        headers: {
          [name]: value.replace(RELAY_TOKEN, KEY),
          'content-type': 'application/json',
          'x-ferry-user': 'anna',
        },
        body: dialect.streamBody,
      })
      const body = Buffer.from(await answer.arrayBuffer())
      if (answer.status !== 200) throw new Error(`status ${answer.status}: ${body}`)
      sameText(chain, `native ${vendor}`, body.toString())
    },
  },
  repeated: {
    weight: 2,
    steps: rightAnswer,
    call: async (chain, vendor) => {
      const idempotencyKey = randomUUID()
      const calls = [1, 2].map(() => chain.ferry.chat(ask(vendor, 'repeated'), { idempotencyKey }))
      const [first, second] = await Promise.all(calls)
      if (performance.now() - chain.redisAwayAt < REDIS_REST_MS) return
      if (first?.text !== second?.text || first?.id !== second?.id) throw new Error('a repeat has another answer')
    },
  },
  badRequest: {
    weight: 1,
    steps: () => json('{"error":{"message":"no such model","code":404}}', 400),
    call: (chain, vendor) => expectCode(['invalid_request'], chain.ferry.chat(ask(vendor, 'badRequest'))),
  },
  cut: {
    weight: 2,
    steps: (dialect) => [sseHead(), chunk(dialect.stream[0] ?? ''), delay(5), reset()],
    call: (chain, vendor) => expectFailure(streamText(chain, vendor, 'cut')),
  },
  leaveBeforeHead: {
    weight: 2,
    steps: () => [hang()],
    call: (chain, vendor) => expectFailure(streamText(chain, vendor, 'leaveBeforeHead', AbortSignal.timeout(40))),
  },
  leaveWithin: {
    weight: 2,
    steps: (dialect) => slowAnswer(dialect, 1000),
    call: (chain, vendor) => expectFailure(streamText(chain, vendor, 'leaveWithin', AbortSignal.timeout(80))),
  },
  stranger: {
    weight: 1,
    steps: () => [],
    // From the hundredth in a minute on they are told to wait.
    call: (chain, vendor) =>
      expectCode(
        ['authentication_failed', 'rate_limit_exceeded'],
        createFerry({ baseURL: chain.origin, apiKey: STRANGER, maxRetries: 0 }).chat(ask(vendor, 'stranger')),
      ),
  },
}

/** SDK, BFF with Redis, and a relay behind a line that breaks again and again, under mixed load. */
export async function startChainSoak(): Promise<Soak> {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-soak-'))
  const ledger = join(folder, 'ledger.jsonl')
  const vendor = await ScriptedVendor.start()
  vendor.script = afterBody(({ target, body }) => {
    const [, name = 'native'] = /kind-(\w+)/.exec(target) ?? /kind-(\w+)/.exec(body.toString()) ?? []
    const which: Which = target.includes('/messages')
      ? 'anthropic'
      : /enerateContent/.test(target)
        ? 'gemini'
        : 'openai'
    const streamed = target.includes('stream') || body.includes('"stream":true')
    return KINDS[name]?.steps(DIALECTS[which], streamed) ?? []
  })
  const relay = await startRelay(
    relayEnv(vendor.origin, { EXCHANGE_MARKERS_DIR: join(folder, 'markers'), EXCHANGE_GRACE_MS: String(GRACE_MS) }),
  )
  const line = await Line.start(relay.port)
  line.fate = (connection) => ({
    afterDown: CUT_AFTER.least + Math.floor(Math.random() * (CUT_AFTER.most - CUT_AFTER.least)),
    how: connection % 2 ? 'fin' : 'rst',
  })
  const redis = await startRedis()
  const bff = await startBff({
    BFF_KEYS: `soak:${KEY}`,
    RELAY_URLS: line.origin,
    RELAY_TOKEN,
    REDIS_URL: redis.url,
    LEDGER_FILE: ledger,
    SPOOL_DIR: join(folder, 'spool'),
    RATE_LIMIT_RPM: UNLIMITED,
    DAILY_QUOTA: UNLIMITED,
    KEY_RATE_LIMIT_RPM: UNLIMITED,
    KEY_DAILY_QUOTA: UNLIMITED,
    IDEMPOTENCY_TTL_MS: '60000',
    DETACH_GRACE_MS: '1',
  })
  const agent = new Agent({ connections: CALLERS * 2 })
  const ferry = createFerry({ baseURL: bff.origin, apiKey: KEY, maxRetries: 0 })
  const chain: Chain = { ferry, origin: bff.origin, agent, texts: new Map(), redisAwayAt: Number.NEGATIVE_INFINITY }
  const trial = (name: string, { weight, call }: Kind): Trial => ({
    name,
    weight,
    run: (turn) => call(chain, VENDORS[turn % VENDORS.length] as Which),
  })
  let lastCut = 0
  return {
    trials: Object.entries(KINDS).map(([name, kind]) => trial(name, kind)),
    watched: { bff: bff.pid, 'relay behind it': relay.pid },
    everySecond(second) {
      vendor.clear()
      const now = Math.floor(second)
      if (now === lastCut) return
      lastCut = now
      if (now % CUT_ALL_EVERY === 0) line.cutAll('rst')
      const isAway = now % FREEZE_EVERY === FREEZE_EVERY - 1
      if (isAway) chain.redisAwayAt = performance.now()
      if (isAway) redis.freeze()
      else redis.thaw()
    },
    async rest() {
      redis.thaw()
      await agent.destroy()
      return [
        ...(await unsettled(bff.metricsPort, ['ferry_open_streams', 'link_open_exchanges'])),
        ...(await unsettled(relay.metricsPort, ['relay_open_exchanges'])),
        ...ledgerFaults(ledger),
      ]
    },
    connections: () => ({ 'over the border': line.open, 'to the vendor behind it': vendor.open }),
    async stop() {
      await bff.stop()
      await redis.stop()
      await line.stop()
      await relay.stop()
      await vendor.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What a service still counts as under way when nothing is, and no exchange can be waited for any more. */
async function unsettled(port: number, names: readonly string[]): Promise<string[]> {
  for (const deadline = performance.now() + 1.5 * GRACE_MS; ; await sleep(200)) {
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    const faults = names.flatMap((name) => {
      const values = [...page.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].map(([, value]) => value)
      if (values.length === 0) return [`${name} is not on the page`]
      return values.filter((value) => value !== '0').map((value) => `${name} is ${value} at rest`)
    })
    if (faults.length === 0 || performance.now() > deadline) return faults
  }
}

function ledgerFaults(file: string): string[] {
  const ids = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; kind: string })
    .map(({ id, kind }) => `${id} ${kind}`)
  const twice = ids.length - new Set(ids).size
  return twice > 0 ? [`${twice} calls are in the ledger twice`] : []
}
