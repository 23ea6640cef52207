import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Link } from '@llm-ferry/sdk/link'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DIALECTS } from '../testkit/dialects.ts'
import { RELAY_TOKEN, startBff } from '../testkit/services.ts'
import type { Cut } from './line.ts'
import { type BorderRig, startBorder, startRelayHere, wholeBody } from './rig.ts'

// A conversation's next turn crosses as its difference from the last one. Whatever happens to the line or the relay, the
// vendor gets the whole body, once.

const dialect = DIALECTS.openai
const isLong = process.env.MODE === 'long'

/** Text that does not compress by itself. */
const prose = (bytes: number, seed = 1): string => {
  let state = seed
  const word = (): string => {
    state = (state * 48_271) % 2_147_483_647
    return state.toString(36)
  }
  let text = ''
  while (text.length < bytes) text += `${word()} `
  return text.slice(0, bytes)
}

/** A chat's body after so many turns of about this size each. */
const turnOf = (turns: number, bytes: number, seed = 1): Buffer =>
  Buffer.from(
    JSON.stringify({
      model: 'gpt-x',
      messages: Array.from({ length: 2 * turns - 1 }, (_, i) => ({
        role: i % 2 ? 'assistant' : 'user',
        content: prose(bytes, seed + i),
      })),
      stream: true,
    }),
  )

async function say(link: Link, body: Buffer, more: { scope?: string } = {}) {
  const [name, value] = dialect.credential
  const answer = await link.request({
    path: `/proxy/openai${dialect.streamPath}`,
    method: 'POST',
    headers: [name, value, 'content-type', 'application/json'],
    body,
    ...more,
  })
  const pieces: Uint8Array[] = []
  for await (const piece of answer.body) pieces.push(piece)
  return { status: answer.status, body: Buffer.concat(pieces) }
}

describe('over one relay', () => {
  let rig: BorderRig
  beforeAll(async () => {
    // The product's own grace: thirty carriers in vain, with pauses up to 5 s, take longer than the rig's 20 s.
    rig = await startBorder({}, { EXCHANGE_GRACE_MS: '120000' }, { graceMs: 120_000 })
  })
  afterAll(() => rig.stop())
  beforeEach(() => {
    rig.line.fate = () => undefined
    rig.vendor.clear()
  })

  async function expectWhole(body: Buffer): Promise<void> {
    rig.vendor.clear()
    const answer = await say(rig.link, body)
    expect(answer.status).toBe(200)
    expect(answer.body.equals(wholeBody(dialect, true))).toBe(true)
    expect(rig.vendor.only.body.equals(body)).toBe(true)
  }

  test('later turns of 100 KB take 5 % of it at most', async () => {
    await rig.newLink()
    const turns = [51, 52, 53, 54].map((turn) => turnOf(turn, 1000))
    const up: number[] = []
    for (const body of turns) {
      const before = rig.line.bytes.up
      await expectWhole(body)
      up.push((rig.line.bytes.up - before) / body.length)
    }
    expect(turns[1]?.length).toBeGreaterThan(100_000)
    expect(up[0]).toBeGreaterThan(0.3)
    expect(Math.max(...up.slice(1))).toBeLessThan(0.05)
  })

  test.each<[Cut, 'afterUp' | 'afterDown', number]>([
    ['fin', 'afterUp', isLong ? 1 : 29],
    ['rst', 'afterUp', isLong ? 1 : 31],
    ['fin', 'afterDown', isLong ? 1 : 17],
    ['rst', 'afterDown', isLong ? 1 : 19],
    ['blackhole', 'afterUp', isLong ? 40 : 300],
    ['blackhole', 'afterDown', isLong ? 40 : 200],
  ])('cut by %s %s every %i bytes, each turn arrives whole and once', async (how, where, step) => {
    await rig.newLink()
    await expectWhole(turnOf(1, 1500))
    for (let turn = 2, at = 0; at <= 1400; turn++, at += step) {
      rig.line.cutAll('rst')
      await sleep(2)
      const first = rig.line.connections
      rig.line.fate = (connection) => (connection === first ? { [where]: at, how } : undefined)
      // Every fifth turn begins anew, so that bodies stay small.
      await expectWhole(turnOf(1 + (turn % 5), 1500, turn - (turn % 5)))
    }
  })

  test('cut up to 30 times at random', async () => {
    await rig.newLink()
    let turn = 0
    const how = fc.constantFrom<Cut>('fin', 'rst')
    const limit = fc.integer({ min: 0, max: 1500 })
    const fate = fc.oneof(fc.record({ afterDown: limit, how }), fc.record({ afterUp: limit, how }))
    const run = async (fates: readonly object[]): Promise<void> => {
      rig.line.cutAll('rst')
      await sleep(2)
      const first = rig.line.connections
      rig.line.fate = (connection) => fates[connection - first] as never
      turn++
      await expectWhole(turnOf(1 + (turn % 5), 1500, turn - (turn % 5)))
    }
    const fates = fc.array(fate, { minLength: 1, maxLength: 30, size: 'max' })
    await fc.assert(fc.asyncProperty(fates, run), { numRuns: isLong ? 300 : 20, endOnFailure: true })
  }, 600_000)
})

describe('a relay that has lost the last turn', () => {
  const stops: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
  })

  test('gets the whole body one round trip later, and from then on differences again', async () => {
    const rig = await startBorder()
    stops.push(() => rig.stop())
    await say(rig.link, turnOf(10, 1000))
    // A restart: another process, which knows nothing, in the same place.
    const next = await startRelayHere(rig.vendor)
    stops.push(() => next.stop())
    rig.line.target = next.port
    rig.line.cutAll('rst')
    const sizes: number[] = []
    for (const turns of [11, 12]) {
      rig.vendor.clear()
      const body = turnOf(turns, 1000)
      const before = rig.line.bytes.up
      const answer = await say(rig.link, body)
      sizes.push((rig.line.bytes.up - before) / body.length)
      expect(answer.body.equals(wholeBody(dialect, true))).toBe(true)
      expect(rig.vendor.only.body.equals(body)).toBe(true)
    }
    expect(sizes[0]).toBeGreaterThan(0.3)
    expect(sizes[1]).toBeLessThan(0.1)
    expect(rig.link.stats()[0]).toMatchObject({ differences: 2, differenceMisses: 1 })
  })
})

describe('where one end', () => {
  const nothing = { requests: false, differences: false, answers: false }
  test.each([
    ['compresses nothing', { LINK_COMPRESSION: 'none' }, {}],
    ['asks for nothing', {}, { compression: nothing }],
    ['keeps no bodies', { LINK_COMPRESSION: 'requests,answers' }, {}],
    ['builds on no bodies', {}, { compression: { differences: false } }],
  ])('%s, turns and answers arrive whole all the same', async (_, env, options) => {
    const rig = await startBorder({}, env, options)
    for (const turns of [10, 11]) {
      rig.vendor.clear()
      const body = turnOf(turns, 1000)
      const before = rig.line.bytes.up
      expect((await say(rig.link, body)).body.equals(wholeBody(dialect, true))).toBe(true)
      expect(rig.vendor.only.body.equals(body)).toBe(true)
      expect((rig.line.bytes.up - before) / body.length).toBeGreaterThan(0.3)
    }
    expect(rig.link.stats()[0]).toMatchObject({ differences: 0, differenceMisses: 0 })
    await rig.stop()
  })
})

describe('two callers of one BFF', () => {
  test('never build on each other’s turns, whatever headers they send', async () => {
    const rig = await startBorder()
    const keys = { one: 'bff-key-one-0123456789abcdef012345', two: 'bff-key-two-0123456789abcdef012345' }
    const bff = await startBff({
      BFF_KEYS: `one:${keys.one},two:${keys.two}`,
      RELAY_URLS: rig.line.origin,
      RELAY_TOKEN,
    })
    const bodyOf = (turns: number, seed: number): string =>
      JSON.stringify({ ...JSON.parse(turnOf(turns, 1500, seed).toString()), model: 'openai/gpt-x' })
    /** Says it, and returns how much of it crossed the line. */
    const say = async (key: string, body: string, headers: Record<string, string> = {}): Promise<number> => {
      const before = rig.line.bytes.up
      const response = await fetch(`${bff.origin}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        body,
      })
      expect(response.status).toBe(200)
      await response.text()
      return (rig.line.bytes.up - before) / body.length
    }
    const attacks = (victim: Buffer) => [
      {},
      { 'x-ferry-scope': 'one', 'x-ferry-user': 'one' },
      { 'x-ferry-dictionary': hash('sha256', victim), 'x-ferry-encoding': 'zstd-dictionary', 'x-ferry-keep': '1' },
      { 'x-ferry-exchange': `one.${'x'.repeat(22)}`, 'x-ferry-offset': '0' },
    ]
    for (const i of attacks(Buffer.alloc(0)).keys()) {
      rig.vendor.clear()
      const seed = 1000 * (i + 1)
      await say(keys.one, bodyOf(10, seed))
      expect(await say(keys.one, bodyOf(11, seed))).toBeLessThan(0.1)
      const victim = rig.vendor.requests[1]?.body ?? Buffer.alloc(0)
      expect(victim.includes(prose(1500, seed))).toBe(true)
      // The very same body, and nothing of it is known.
      expect(await say(keys.two, bodyOf(11, seed), attacks(victim)[i])).toBeGreaterThan(0.3)
      expect(rig.vendor.requests[2]?.body.equals(victim)).toBe(true)
    }
    await bff.stop()
    await rig.stop()
  })
})
