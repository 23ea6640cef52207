import { Agent, fetch as undiciFetch } from 'undici'
import { DIALECTS, type Dialect, json, rightAnswer, slowAnswer, sseHead } from '../testkit/dialects.ts'
import { afterBody, chunk, delay, hang, reset, ScriptedVendor, type Step } from '../testkit/scripted-vendor.ts'
import { relayEnv, startRelay, VENDORS } from '../testkit/services.ts'
import { CALLERS, expectFailure, type Soak, type Trial } from './watch.ts'

/** One kind of call: what the vendor does, and how the caller fares. */
interface Kind {
  readonly weight: number
  readonly steps: (dialect: Dialect) => readonly Step[]
  readonly call: (load: Load, url: string, dialect: Dialect) => Promise<void>
}

interface Load {
  readonly agent: Agent
}

const UPLOAD = Buffer.alloc(256 * 1024, 'u')

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

const KINDS: Readonly<Record<string, Kind>> = {
  plain: {
    weight: 8,
    steps: (dialect) => rightAnswer(dialect, false),
    call: async (load, url, dialect) => expectBody(dialect.answer, await ask(load, url, dialect)),
  },
  stream: {
    weight: 6,
    steps: (dialect) => slowAnswer(dialect, 5),
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
    steps: (dialect) => slowAnswer(dialect, 1000),
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

/** A relay under mixed load, healthy and broken. */
export async function startRelaySoak(): Promise<Soak> {
  const vendor = await ScriptedVendor.start({ keepBody: false })
  vendor.script = afterBody(({ target }) => {
    const [, name = 'plain', which = 'openai'] = /kind=(\w+)&dialect=(\w+)/.exec(target) ?? []
    return KINDS[name]?.steps(DIALECTS[which as keyof typeof DIALECTS]) ?? []
  })
  const relay = await startRelay(relayEnv(vendor.origin))
  const load: Load = { agent: new Agent({ connections: CALLERS * 2 }) }
  const trial = (name: string, { weight, call }: Kind): Trial => ({
    name,
    weight,
    async run(turn) {
      const dialect = DIALECTS[VENDORS[turn % VENDORS.length] as (typeof VENDORS)[number]]
      const path = name === 'upload' ? '/v1/files' : dialect.path
      const url = `${relay.origin}/proxy/${dialect.vendor}${path}?kind=${name}&dialect=${dialect.vendor}`
      await call(load, url, dialect)
    },
  })
  return {
    trials: Object.entries(KINDS).map(([name, kind]) => trial(name, kind)),
    watched: { relay: relay.pid },
    everySecond: () => vendor.clear(),
    async rest() {
      await load.agent.destroy()
      return []
    },
    connections: () => ({ 'to the vendor': vendor.open }),
    async stop() {
      await relay.stop()
      await vendor.stop()
    },
  }
}
