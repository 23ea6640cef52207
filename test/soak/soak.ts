import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, fetch as undiciFetch } from 'undici'
import { DIALECTS, type Dialect, json, rightAnswer, sseHead } from '../testkit/dialects.ts'
import {
  afterBody,
  chunk,
  delay,
  hang,
  lastChunk,
  reset,
  ScriptedVendor,
  type Step,
} from '../testkit/scripted-vendor.ts'
import { relayEnv, type Service, startRelay, VENDORS, type Vitals, vitals } from '../testkit/services.ts'

/** What a soak run saw. */
export interface SoakReport {
  readonly seconds: number
  /** Calls by kind. */
  readonly calls: Readonly<Record<string, number>>
  /** What went wrong with calls that should have succeeded, or succeeded that should not; the first few. */
  readonly failures: readonly string[]
  readonly samples: readonly Sample[]
  /** Growth of the relay's memory after the warm-up, by linear regression. */
  readonly growthMiB: number
  readonly growthMiBPerMinute: number
  /** The relay before the load, and when it had come to rest after it. */
  readonly before: Vitals
  readonly after: Vitals
  /** Connections to the vendor that were still open at the end. */
  readonly vendorConnections: number
}

interface Sample extends Vitals {
  readonly second: number
}

/** One kind of call: what the vendor does, and how the caller fares. */
interface Kind {
  readonly weight: number
  readonly steps: (dialect: Dialect) => readonly Step[]
  readonly call: (load: Load, url: string, dialect: Dialect) => Promise<void>
}

interface Load {
  readonly agent: Agent
}

const CALLERS = 24
const UPLOAD = Buffer.alloc(256 * 1024, 'u')
const pause = (ms: number, signal?: AbortSignal): Promise<unknown> => sleep(ms, undefined, signal ? { signal } : {})

async function ask(
  { agent }: Load,
  url: string,
  { credential, body }: Dialect,
  more: { body?: Buffer; type?: string; signal?: AbortSignal } = {},
) {
  const [name, value] = credential
  return undiciFetch(url, {
    method: 'POST',
    dispatcher: agent,
    headers: { [name]: value, 'content-type': more.type ?? 'application/json' },
    body: more.body ?? body,
    ...(more.signal ? { signal: more.signal } : {}),
  })
}

async function expectBody(expected: Buffer | string, answer: Awaited<ReturnType<typeof ask>>): Promise<void> {
  const body = Buffer.from(await answer.arrayBuffer())
  if (answer.status !== 200) throw new Error(`status ${answer.status}: ${body}`)
  if (!body.equals(Buffer.from(expected))) throw new Error(`another body: ${body.subarray(0, 200)}`)
}

/** Runs a call that must not come to a good end. */
async function expectFailure(call: Promise<unknown>): Promise<void> {
  const ended = await call.then(
    () => true,
    () => false,
  )
  if (ended) throw new Error('a broken answer looked complete')
}

const slowly = (dialect: Dialect, everyMs: number): readonly Step[] => [
  sseHead(),
  ...dialect.stream.flatMap((event) => [chunk(event), delay(everyMs)]),
  lastChunk(),
]

const KINDS: Readonly<Record<string, Kind>> = {
  plain: {
    weight: 8,
    steps: (dialect) => rightAnswer(dialect, false),
    call: async (load, url, dialect) => expectBody(dialect.answer, await ask(load, url, dialect)),
  },
  stream: {
    weight: 6,
    steps: (dialect) => slowly(dialect, 5),
    call: async (load, url, dialect) => expectBody(Buffer.concat(dialect.stream), await ask(load, url, dialect)),
  },
  upload: {
    weight: 2,
    steps: () => json('{"id":"file_1"}'),
    call: async (load, url, dialect) =>
      expectBody(
        '{"id":"file_1"}',
        await ask(load, url, dialect, { body: UPLOAD, type: 'multipart/form-data; boundary=b' }),
      ),
  },
  large: {
    weight: 1,
    steps: () => json('x'.repeat(1024 * 1024)),
    call: async (load, url, dialect) => expectBody('x'.repeat(1024 * 1024), await ask(load, url, dialect)),
  },
  vendorError: {
    weight: 1,
    steps: () => json('{"error":{"message":"busy"}}', 503),
    call: async (load, url, dialect) => {
      const answer = await ask(load, url, dialect)
      if (answer.status !== 503) throw new Error(`status ${answer.status}, not 503`)
      await answer.arrayBuffer()
    },
  },
  cut: {
    weight: 2,
    steps: (dialect) => [sseHead(), chunk(dialect.stream[0] ?? ''), delay(5), reset()],
    call: (load, url, dialect) => expectFailure(ask(load, url, dialect).then((answer) => answer.arrayBuffer())),
  },
  leaveBeforeHead: {
    weight: 2,
    steps: () => [hang()],
    call: (load, url, dialect) => expectFailure(ask(load, url, dialect, { signal: AbortSignal.timeout(30) })),
  },
  leaveWithin: {
    weight: 2,
    steps: (dialect) => slowly(dialect, 1000),
    call: async (load, url, dialect) => {
      const signal = AbortSignal.timeout(60)
      await expectFailure(ask(load, url, dialect, { signal }).then((answer) => answer.arrayBuffer()))
    },
  },
  stranger: {
    weight: 1,
    steps: () => json('{}'),
    call: async (load, url, dialect) => {
      const answer = await ask(load, url, { ...dialect, credential: ['x-nothing', 'here'] })
      if (answer.status !== 401) throw new Error(`status ${answer.status}, not 401`)
      await answer.arrayBuffer()
    },
  },
}

/** Every kind as often as its weight says. */
const TURNS: readonly string[] = Object.entries(KINDS).flatMap(([name, { weight }]) => Array<string>(weight).fill(name))

/** Puts a relay under mixed load, healthy and broken, and watches what it keeps. */
export async function soak(seconds: number): Promise<SoakReport> {
  const vendor = await ScriptedVendor.start({ keepBody: false })
  vendor.script = afterBody(({ target }) => {
    const [, name = 'plain', which = 'openai'] = /kind=(\w+)&dialect=(\w+)/.exec(target) ?? []
    return KINDS[name]?.steps(DIALECTS[which as keyof typeof DIALECTS]) ?? []
  })
  const relay = await startRelay(relayEnv(vendor.origin))
  try {
    return await watch(seconds, vendor, relay)
  } finally {
    await relay.stop()
    await vendor.stop()
  }
}

async function watch(seconds: number, vendor: ScriptedVendor, relay: Service): Promise<SoakReport> {
  const load: Load = { agent: new Agent({ connections: CALLERS * 2 }) }
  const calls: Record<string, number> = {}
  const failures: string[] = []
  const samples: Sample[] = []
  const started = performance.now()
  const elapsed = (): number => (performance.now() - started) / 1000
  const before = vitals(relay.pid)

  const caller = async (index: number): Promise<void> => {
    for (let turn = index; elapsed() < seconds; turn++) {
      const name = TURNS[(turn * 7) % TURNS.length] as string
      const dialect = DIALECTS[VENDORS[turn % VENDORS.length] as (typeof VENDORS)[number]]
      const path = name === 'upload' ? '/v1/files' : dialect.path
      const url = `${relay.origin}/proxy/${dialect.vendor}${path}?kind=${name}&dialect=${dialect.vendor}`
      calls[name] = (calls[name] ?? 0) + 1
      await KINDS[name]?.call(load, url, dialect).catch((error: unknown) => {
        if (failures.length < 20) failures.push(`${name} at ${elapsed().toFixed(1)} s: ${describe(error)}`)
      })
    }
  }
  const sampler = async (): Promise<void> => {
    while (elapsed() < seconds) {
      samples.push({ second: elapsed(), ...vitals(relay.pid) })
      vendor.clear()
      await pause(Math.min(1000, seconds * 20))
    }
  }
  await Promise.all([sampler(), ...Array.from({ length: CALLERS }, (_, index) => caller(index))])
  await load.agent.destroy()
  await pause(1500)
  const growth = slopePerSecond(samples.filter(({ second }) => second > seconds * WARM_UP))
  return {
    seconds,
    calls,
    failures,
    samples,
    growthMiB: growth * seconds * (1 - WARM_UP),
    growthMiBPerMinute: growth * 60,
    before,
    after: vitals(relay.pid),
    vendorConnections: vendor.open,
  }
}

/** Share of the time in which a heap may still find its size. */
const WARM_UP = 0.3

function describe(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message} (${cause.message})` : message
}

/** Least squares, in MiB a second. */
function slopePerSecond(samples: readonly Sample[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const time = mean(samples.map(({ second }) => second))
  const size = mean(samples.map(({ rssMiB }) => rssMiB))
  const spread = samples.reduce((sum, { second }) => sum + (second - time) ** 2, 0)
  return samples.reduce((sum, { second, rssMiB }) => sum + (second - time) * (rssMiB - size), 0) / spread
}

/** What speaks against the relay in a report; empty when it did well. */
export function complaints(report: SoakReport): readonly string[] {
  const { failures, growthMiB, seconds, before, after, vendorConnections } = report
  const found = [...failures]
  // A heap takes about a minute to find its size under this load (measured: from 115 to 263 MiB in 45 s, then less than
  // 0.4 MiB a minute). A run that is shorter can only tell a flood from a heap that settles.
  const allowed = seconds < 120 ? 128 : 16
  if (growthMiB > allowed) found.push(`memory grew by ${growthMiB.toFixed(1)} MiB, more than ${allowed.toFixed(0)}`)
  const descriptors = after.descriptors - before.descriptors
  // Idle connections to the vendor are kept for the next call: as many as ever were needed at once, and no more.
  if (descriptors > CALLERS * 4) found.push(`${descriptors} descriptors more than before the load`)
  if (vendorConnections > CALLERS * 4) found.push(`${vendorConnections} connections to the vendor left open`)
  return found
}
