import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DIALECTS } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { delay, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, type Service, startBff, VENDORS } from '../testkit/services.ts'
import { answerRightly, startRelayHere } from './rig.ts'

// The same Idempotency-Key again, at any process and at any time: the same bytes, one call at the vendor, one line in the
// ledger.

const ALICE = 'bff-key-alice-0123456789abcdef0123'
const MALLORY = 'bff-key-mallory-0123456789abcdef01'
const GRACE_MS = 400
const TTL_MS = 3000
let folder: string
let redis: RedisServer
let vendor: ScriptedVendor
let relay: Awaited<ReturnType<typeof startRelayHere>>
let first: Service
let second: Service
let started = 0

const ledgerFile = (): string => join(folder, 'ledger.jsonl')

async function bff(more: Record<string, string> = {}): Promise<Service> {
  return startBff({
    BFF_KEYS: `alice:${ALICE},mallory:${MALLORY}`,
    RELAY_URLS: relay.origin,
    RELAY_TOKEN,
    REDIS_URL: redis.url,
    SPOOL_DIR: join(folder, `spool-${++started}`),
    LEDGER_FILE: ledgerFile(),
    DETACH_GRACE_MS: String(GRACE_MS),
    IDEMPOTENCY_TTL_MS: String(TTL_MS),
    RATE_LIMIT_RPM: '10000',
    KEY_RATE_LIMIT_RPM: '10000',
    ...more,
  })
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ferry-idempotency-'))
  redis = await startRedis()
  vendor = await ScriptedVendor.start()
  relay = await startRelayHere(vendor)
  ;[first, second] = await Promise.all([bff(), bff()])
})
afterAll(async () => {
  await Promise.all([first.stop(), second.stop()])
  await relay.stop()
  await vendor.stop()
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  vendor.clear()
  answerRightly(vendor)
})
afterEach(async () => {
  // Nothing of a test runs on into the next one.
  await sleep(GRACE_MS / 4)
})

interface Asked {
  readonly at?: Service
  readonly key?: string
  readonly apiKey?: string
  readonly path?: string
  readonly body?: string
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}

const CHAT = { messages: [{ role: 'user', content: 'hello' }] }
const chatBody = (name: string, streamed = true): string =>
  JSON.stringify({ model: `${name}/any-model`, ...CHAT, stream: streamed })
const STREAM = chatBody('openai')

function ask({ at = first, key, apiKey = ALICE, path = '/v1/chat/completions', body = STREAM, ...more }: Asked) {
  return fetch(`${at.origin}${path}`, {
    method: 'POST',
    body,
    ...(more.signal && { signal: more.signal }),
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...more.headers,
    },
  })
}

interface Answer {
  readonly status: number
  readonly how: string | null
  readonly headers: Record<string, string>
  readonly text: string
}

const PER_CONNECTION = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length'])

async function read(response: Response): Promise<Answer> {
  const text = await response.text()
  const headers = Object.fromEntries([...response.headers].filter(([name]) => !PER_CONNECTION.has(name)))
  const { 'x-ferry-idempotency': how = null, ...same } = headers
  return { status: response.status, how, headers: same, text }
}

const answer = async (asked: Asked): Promise<Answer> => read(await ask(asked))
/** The stored answer. Just behind the end another process may still get the same bytes from the relay. */
async function stored(asked: Asked): Promise<Answer> {
  for (let tries = 0; ; tries++) {
    const repeat = await answer(asked)
    if (repeat.how === 'stored' || tries === 20) return repeat
    await sleep(100)
  }
}

const codeOf = ({ text }: Answer): string => JSON.parse(text).error.code

const leave = (key: string, at = first, apiKey = ALICE, headers: Record<string, string> = {}) =>
  fetch(`${at.origin}/v1/calls/${key}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${apiKey}`, ...headers },
  })

/** The vendor takes its time between two events. */
const slowly = (ms = 60): void => answerRightly(vendor, (step) => [delay(ms), step])

const vendorIsAsked = (calls = 1): Promise<void> =>
  eventually(`${calls} calls at the vendor`, () => vendor.requests.length >= calls)

interface Line {
  readonly id: string
  readonly outcome: string
  readonly attempts: number
}

async function ledgerOf(id: string): Promise<Line[]> {
  const read = (): Line[] => {
    try {
      const lines = readFileSync(ledgerFile(), 'utf8').split('\n').slice(0, -1)
      return lines.map((line) => JSON.parse(line) as Line).filter((line) => line.id === id)
    } catch {
      return []
    }
  }
  await eventually('a line in the ledger', () => read().length > 0)
  await sleep(1200)
  return read()
}

const idOf = ({ headers }: Answer): string => headers['x-ferry-request-id'] ?? ''

let keys = 0
const newKey = (): string => `key-${process.pid}-${++keys}`

describe('a repeat gets the same bytes of one call', () => {
  describe.each(['the same', 'another'])('at %s process', (where) => {
    const there = (): Service => (where === 'another' ? second : first)

    test.each(VENDORS)('%s, while it streams', async (name) => {
      const [key, body] = [newKey(), chatBody(name)]
      slowly()
      const original = ask({ key, body }).then((response) => read(response).catch(() => undefined))
      await vendorIsAsked()
      await sleep(150)
      const repeat = await answer({ at: there(), key, body })
      expect(repeat).toMatchObject({ status: 200, how: where === 'another' ? 'taken-over' : 'attached' })
      expect(repeat.text).toMatch(/data: \[DONE\]\n\n$/)
      const before = await original
      if (where === 'same') expect({ ...before, how: null }).toEqual({ ...repeat, how: null })
      vendor.clear()
      const again = await stored({ at: first, key, body })
      expect(again).toEqual({ ...repeat, how: 'stored' })
      expect(vendor.requests).toHaveLength(0)
      expect(await ledgerOf(idOf(repeat))).toMatchObject([{ outcome: 'completed', attempts: 1 }])
    })

    test.each(VENDORS)('%s, before a plain answer came', async (name) => {
      const [key, body] = [newKey(), chatBody(name, false)]
      slowly(300)
      const original = answer({ key, body })
      await vendorIsAsked()
      const repeat = await answer({ at: there(), key, body })
      expect(repeat).toMatchObject({ status: 200, how: where === 'another' ? 'taken-over' : 'attached' })
      const before = await original
      if (where === 'the same') expect(before).toEqual({ ...repeat, how: 'new' })
      else expect([codeOf(before), before.status]).toEqual(['conflict', 409])
      expect(vendor.requests).toHaveLength(1)
      expect(await ledgerOf(idOf(repeat))).toMatchObject([{ outcome: 'completed' }])
    })

    test.each(VENDORS)('%s, after the end', async (name) => {
      for (const streamed of [true, false]) {
        vendor.clear()
        const [key, body] = [newKey(), chatBody(name, streamed)]
        const original = await answer({ key, body })
        expect(original).toMatchObject({ status: 200, how: 'new' })
        expect(await stored({ at: there(), key, body })).toEqual({ ...original, how: 'stored' })
        expect(vendor.requests).toHaveLength(1)
      }
    })
  })

  test.each([
    ['embeddings', '/v1/embeddings', JSON.stringify({ model: 'openai/text-embedding-3-small', input: 'hello' })],
    ['openai', '/proxy/openai/v1/chat/completions', DIALECTS.openai.streamBody],
    ['anthropic', '/proxy/anthropic/v1/messages', DIALECTS.anthropic.streamBody],
    ['gemini', `/proxy/gemini${DIALECTS.gemini.streamPath}`, DIALECTS.gemini.streamBody],
  ])('on the route of %s', async (name, path, body) => {
    const key = newKey()
    if (name === 'embeddings') {
      const { embeddingsAnswer } = await import('./embeddings.ts')
      vendor.script = embeddingsAnswer
    } else slowly(20)
    const original = ask({ key, path, body }).then((response) => read(response).catch(() => undefined))
    await vendorIsAsked()
    const repeat = await answer({ at: second, key, path, body })
    expect(repeat.status).toBe(200)
    await original
    expect(await stored({ at: first, key, path, body })).toEqual({ ...repeat, how: 'stored' })
    expect(vendor.requests).toHaveLength(1)
  })

  test('when the caller’s own connection is cut, and he comes back', async () => {
    const key = newKey()
    slowly(40)
    const gone = new AbortController()
    const response = await ask({ key, signal: gone.signal })
    await response.body?.getReader().read()
    gone.abort()
    await sleep(GRACE_MS / 2)
    const repeat = await answer({ key })
    expect(repeat).toMatchObject({ status: 200, how: 'attached' })
    expect(repeat.text).toMatch(/\[DONE\]/)
    expect(vendor.requests).toHaveLength(1)
  })

  test('two at once make one call', async () => {
    const key = newKey()
    slowly(20)
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => answer({ key })))
    expect(answers.map(({ how }) => how).sort()).toEqual(['attached', 'attached', 'attached', 'attached', 'new'])
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect(vendor.requests).toHaveLength(1)
  })

  test('two at once at two processes make one call, whoever is served', async () => {
    for (let round = 0; round < 8; round++) {
      vendor.clear()
      const key = newKey()
      slowly(10)
      const answers = await Promise.all([answer({ key, at: first }), answer({ key, at: second })])
      expect(vendor.requests).toHaveLength(1)
      expect(answers.some(({ text }) => text.endsWith('data: [DONE]\n\n'))).toBe(true)
    }
  })
})

describe('after SIGKILL of the first process', () => {
  test.each(VENDORS)('%s: the whole answer, from one call, with one line in the ledger', async (name) => {
    const [key, body] = [newKey(), chatBody(name)]
    const victim = await bff()
    slowly(80)
    const original = ask({ at: victim, key, body }).then((response) => read(response))
    original.catch(() => {})
    await vendorIsAsked()
    await sleep(200)
    victim.signal('SIGKILL')
    await expect(original).rejects.toThrow()
    const repeat = await answer({ at: second, key, body })
    expect(repeat).toMatchObject({ status: 200, how: 'taken-over' })
    expect(repeat.text).toMatch(/\[DONE\]/)
    expect(vendor.requests).toHaveLength(1)
    expect(await stored({ at: first, key, body })).toEqual({ ...repeat, how: 'stored' })
    expect(await ledgerOf(idOf(repeat))).toMatchObject([{ outcome: 'completed', attempts: 1 }])
  })
})

describe('after SIGKILL of the first process, before the answer’s head', () => {
  test.each(VENDORS)('%s: the whole plain answer, from one call, with one line in the ledger', async (name) => {
    const [key, body] = [newKey(), chatBody(name, false)]
    const victim = await bff()
    slowly(300)
    const original = ask({ at: victim, key, body })
    original.catch(() => {})
    await vendorIsAsked()
    victim.signal('SIGKILL')
    await expect(original).rejects.toThrow()
    const repeat = await answer({ at: second, key, body })
    expect(repeat).toMatchObject({ status: 200, how: 'taken-over' })
    expect(JSON.parse(repeat.text).choices[0].message.content).not.toBe('')
    expect(vendor.requests).toHaveLength(1)
    expect(await stored({ at: first, key, body })).toEqual({ ...repeat, how: 'stored' })
    expect(await ledgerOf(idOf(repeat))).toMatchObject([{ outcome: 'completed', attempts: 1 }])
  })
})

test('a vendor that is called directly: 410 after SIGKILL of the process, once its lease is over, and no second call', async () => {
  const file = join(folder, 'direct.yaml')
  writeFileSync(file, `vendors:\n  near: { dialect: openai, origin: "${vendor.origin}", apiKey: none }\n`)
  // The lease is 15 s, and a record lives at least four of them.
  const [victim, other] = await Promise.all([bff({ FERRY_CONFIG: file }), bff({ FERRY_CONFIG: file })])
  try {
    const [key, body] = [newKey(), chatBody('near')]
    slowly(200)
    const original = ask({ at: victim, key, body }).then((response) => read(response))
    original.catch(() => {})
    await vendorIsAsked()
    await sleep(100)
    victim.signal('SIGKILL')
    await expect(original).rejects.toThrow()
    const at = performance.now()
    const repeat = await answer({ at: other, key, body })
    expect([repeat.status, codeOf(repeat)]).toEqual([410, 'exchange_lost'])
    expect(performance.now() - at).toBeLessThan(16_000)
    // And at once from now on.
    const later = await answer({ at: other, key, body })
    expect([later.status, codeOf(later)]).toEqual([410, 'exchange_lost'])
    expect(vendor.requests).toHaveLength(1)
  } finally {
    await Promise.all([victim.stop(), other.stop()])
  }
}, 40_000)

test('a relay that dies under the call: the break shows, repeats get 410, and the vendor is called once', async () => {
  const markers = { EXCHANGE_MARKERS_DIR: mkdtempSync(join(folder, 'markers-')) }
  const mortal = await startRelayHere(vendor, markers)
  const alone = await bff({ RELAY_URLS: mortal.origin })
  let replacement: Awaited<ReturnType<typeof startRelayHere>> | undefined
  try {
    const key = newKey()
    slowly(100)
    const original = answer({ at: alone, key })
    await vendorIsAsked()
    await sleep(200)
    await mortal.stop()
    // The host is back with its markers, and without what its process held.
    replacement = await startRelayHere(vendor, { ...markers, PORT: String(mortal.port) })
    const { text } = await original
    expect(text).toMatch(/exchange_lost|upstream_truncated/)
    expect(text).not.toMatch(/\[DONE\]/)
    await sleep(100)
    const repeat = await answer({ at: alone, key })
    expect([repeat.status, codeOf(repeat)]).toEqual([410, 'exchange_lost'])
    expect(vendor.requests).toHaveLength(1)
  } finally {
    await alone.stop()
    await replacement?.stop()
  }
}, 40_000)

test('a DELETE that races a takeover ends the call at the vendor, whoever has it', async () => {
  for (const pauseMs of [0, 2, 5, 10, 20, 40]) {
    vendor.clear()
    const key = newKey()
    slowly(200)
    const original = answer({ key }).catch(() => undefined)
    await vendorIsAsked()
    await sleep(50)
    const repeat = answer({ key, at: second }).catch(() => undefined)
    await sleep(pauseMs)
    const at = performance.now()
    expect((await leave(key, pauseMs % 4 ? first : second)).status).toBe(204)
    expect((await vendor.only.closed).at - at).toBeLessThan(1000)
    for (const ended of await Promise.all([original, repeat])) expect(ended?.text ?? '').not.toMatch(/\[DONE\]/)
    const late = await answer({ key })
    expect([late.status, codeOf(late)]).toEqual([499, 'client_closed'])
    expect(vendor.requests).toHaveLength(1)
  }
})

describe('nobody else attaches', () => {
  test('another body gets 422', async () => {
    const key = newKey()
    slowly()
    const original = answer({ key })
    await vendorIsAsked()
    for (const at of [first, second]) {
      const other = await answer({ at, key, body: chatBody('openai', false) })
      expect([other.status, codeOf(other)]).toEqual([422, 'idempotency_mismatch'])
    }
    await original
    const late = await answer({ at: second, key, body: chatBody('anthropic') })
    expect([late.status, codeOf(late)]).toEqual([422, 'idempotency_mismatch'])
    expect(vendor.requests).toHaveLength(1)
  })

  test('another key, user or route makes a call of its own', async () => {
    const key = newKey()
    slowly(20)
    const others: Asked[] = [
      { key },
      { key, apiKey: MALLORY },
      { key, apiKey: MALLORY, headers: { 'x-ferry-user': 'alice' } },
      { key, headers: { 'x-ferry-user': 'bob' } },
      { key, path: '/proxy/openai/v1/chat/completions', body: DIALECTS.openai.streamBody },
    ]
    const answers = await Promise.all(others.map((asked, i) => answer({ ...asked, at: i % 2 ? second : first })))
    expect(answers.map(({ how }) => how)).toEqual(others.map(() => 'new'))
    expect(vendor.requests).toHaveLength(others.length)
    expect(new Set(answers.map(idOf)).size).toBe(others.length)
    // Nor does he end hers.
    slowly(60)
    const hers = newKey()
    const original = answer({ key: hers })
    await vendorIsAsked(others.length + 1)
    expect((await leave(hers, first, MALLORY)).status).toBe(404)
    expect((await leave(hers, second, ALICE, { 'x-ferry-user': 'bob' })).status).toBe(404)
    expect((await original).text).toMatch(/\[DONE\]/)
  })
})

describe('leaving', () => {
  test.each(['the same', 'another'])('DELETE at %s process ends the vendor’s call within a second', async (where) => {
    const key = newKey()
    slowly(200)
    const original = ask({ key }).then((response) => read(response))
    original.catch(() => {})
    await vendorIsAsked()
    await sleep(100)
    const at = performance.now()
    expect((await leave(key, where === 'another' ? second : first)).status).toBe(204)
    expect((await vendor.only.closed).at - at).toBeLessThan(1000)
    await original.catch(() => {})
    const repeat = await answer({ key })
    expect([repeat.status, codeOf(repeat)]).toEqual([499, 'client_closed'])
    expect(vendor.requests).toHaveLength(1)
    expect((await leave(key)).status).toBe(404)
  })

  test('a cancel that overtakes its request prevents it', async () => {
    const key = newKey()
    expect((await leave(key, second)).status).toBe(404)
    const late = await answer({ key })
    expect([late.status, codeOf(late)]).toEqual([499, 'client_closed'])
    expect(vendor.requests).toHaveLength(0)
  })

  test('a lost connection leaves the call running for the grace, and no longer', async () => {
    const key = newKey()
    slowly(1000)
    const gone = new AbortController()
    const original = ask({ key, signal: gone.signal })
    original.catch(() => {})
    await vendorIsAsked()
    const at = performance.now()
    gone.abort()
    const after = (await vendor.only.closed).at - at
    expect(after).toBeGreaterThan(GRACE_MS - 50)
    expect(after).toBeLessThan(GRACE_MS + 1000)
    await sleep(100)
    const repeat = await answer({ key })
    expect([repeat.status, codeOf(repeat)]).toEqual([410, 'exchange_lost'])
    expect(vendor.requests).toHaveLength(1)
  })

  test('without a key a lost connection is leaving', async () => {
    slowly(1000)
    const gone = new AbortController()
    const original = ask({ signal: gone.signal })
    original.catch(() => {})
    await vendorIsAsked()
    const at = performance.now()
    gone.abort()
    expect((await vendor.only.closed).at - at).toBeLessThan(GRACE_MS)
  })
})

describe('what is kept', () => {
  test('is no answer above 1 MiB: it can be had until shortly after its end, and then never again', async () => {
    const key = newKey()
    const [path, body] = ['/proxy/openai/v1/chat/completions', DIALECTS.openai.body]
    const { head, chunk, lastChunk } = await import('../testkit/scripted-vendor.ts')
    const long = JSON.stringify({ filler: 'ferry '.repeat(200_000) })
    vendor.script = () => [
      head(200, [
        ['content-type', 'application/json'],
        ['transfer-encoding', 'chunked'],
      ]),
      chunk(long),
      lastChunk(),
    ]
    expect(await answer({ key, path, body })).toMatchObject({ status: 200, text: long })
    expect(await answer({ key, path, body })).toMatchObject({ status: 200, how: 'attached', text: long })
    await sleep(GRACE_MS + 300)
    const late = await answer({ key, path, body })
    expect(late.status).toBe(410)
    expect(vendor.requests).toHaveLength(1)
  })

  test('is gone after its time', async () => {
    const key = newKey()
    await answer({ key })
    expect((await stored({ key, at: second })).how).toBe('stored')
    await sleep(TTL_MS)
    expect((await answer({ key })).how).toBe('new')
    expect(vendor.requests).toHaveLength(2)
  })

  test('is no error: the key is free again', async () => {
    const key = newKey()
    const { head, chunk, lastChunk } = await import('../testkit/scripted-vendor.ts')
    vendor.script = () => [
      head(400, [
        ['content-type', 'application/json'],
        ['transfer-encoding', 'chunked'],
      ]),
      chunk('{"error":{"message":"no","type":"invalid_request_error","code":null,"param":null}}'),
      lastChunk(),
    ]
    expect((await answer({ key })).status).toBe(400)
    answerRightly(vendor)
    await sleep(30)
    expect(await answer({ key, at: second })).toMatchObject({ status: 200, how: 'new' })
  })

  test('is no answer that broke off: it may have been billed, and is not asked for again', async () => {
    const key = newKey()
    const { chunk, head, reset } = await import('../testkit/scripted-vendor.ts')
    vendor.script = () => [
      head(200, [
        ['content-type', 'text/event-stream'],
        ['transfer-encoding', 'chunked'],
      ]),
      chunk(DIALECTS.openai.stream[0] ?? ''),
      delay(50),
      reset(),
    ]
    expect((await answer({ key })).text).toMatch(/upstream_truncated/)
    await sleep(50)
    for (const at of [first, second]) {
      const repeat = await answer({ key, at })
      expect([repeat.status, codeOf(repeat)]).toEqual([410, 'exchange_lost'])
    }
    expect(vendor.requests).toHaveLength(1)
  })
})

test('a key that is none is refused by name', async () => {
  for (const key of ['a b', 'x'.repeat(256)]) {
    const refused = await answer({ key })
    expect([refused.status, JSON.parse(refused.text).error.param]).toEqual([400, 'idempotency-key'])
  }
  expect(vendor.requests).toHaveLength(0)
})
