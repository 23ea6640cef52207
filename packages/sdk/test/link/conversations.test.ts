import { hash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Conversations, sharedLength } from '../../src/link/conversations.ts'
import { KeptBodies, MAX_KEPT_BODY_BYTES } from '../../src/link/wire/index.ts'

const TOOLS = Array.from({ length: 40 }, (_, i) => ({
  name: `tool_${i}`,
  description: `does the thing number ${i * i}`,
}))
/** A chat's body: what was said, in turns. */
const chat = (said: readonly string[], more: object = {}): Buffer =>
  Buffer.from(
    JSON.stringify({
      model: 'gpt-x',
      tools: TOOLS,
      messages: said.map((content, i) => ({ role: i % 2 ? 'assistant' : 'user', content })),
      ...more,
      stream: true,
    }),
  )
const kept = (bytes: Buffer, affinity = 'a', base?: string) => ({
  digest: hash('sha256', bytes),
  bytes,
  base,
  affinity,
})
const digestOf = (bytes: Buffer): string => hash('sha256', bytes)

test('what two bodies share at their beginning is counted to the byte', () => {
  const text = fc.uint8Array({ maxLength: 3000, max: 2 })
  fc.assert(
    fc.property(text, text, fc.nat(2000), (a, b, common) => {
      const start = Buffer.alloc(common, 'x')
      const [left, right] = [Buffer.concat([start, a]), Buffer.concat([start, b])]
      const end = Math.min(left.length, right.length)
      let naive = 0
      while (naive < end && left[naive] === right[naive]) naive++
      expect(sharedLength(left, right)).toBe(naive)
    }),
  )
})

describe('a conversation', () => {
  test('goes on where its last turn went, with that turn as base', () => {
    const conversations = new Conversations()
    const first = chat(['hello'])
    const others = Array.from({ length: 10 }, (_, i) => chat([`${i} other people talk as well`]))
    conversations.keep('me', kept(first, 'mine'))
    for (const [i, other] of others.entries()) conversations.keep('me', kept(other, `other-${i}`))
    const next = conversations.continue('me', chat(['hello', 'hi', 'how are you?']), undefined)
    expect(next).toMatchObject({ affinity: 'mine', base: { digest: digestOf(first) } })
    conversations.close()
  })

  test.each([
    ['a cache_control that moves', (last: number) => ({ cached: last })],
    ['fields after the messages', () => ({ temperature: 0.5 })],
  ])('is recognised with %s', (_, more) => {
    const conversations = new Conversations()
    const first = chat(['hello'], more(1))
    conversations.keep('me', kept(first, 'mine'))
    expect(conversations.continue('me', chat(['hello', 'hi', 'go on'], more(3)), undefined)?.affinity).toBe('mine')
    conversations.close()
  })

  test('that is another one shares the system’s prompt, but is not led to one process by it', () => {
    const conversations = new Conversations()
    const affinities = new Set<string>()
    let built = 0
    for (let i = 0; i < 100; i++) {
      const body = chat([`${i} begins anew`])
      const { affinity, base } = conversations.continue('me', body, undefined) ?? { affinity: '', base: undefined }
      if (base !== undefined) {
        built++
        expect(base.affinity).toBe(affinity)
      }
      affinities.add(affinity)
      conversations.keep('me', kept(body, affinity))
    }
    expect(affinities.size).toBeGreaterThan(8)
    expect(affinities.size).toBeLessThanOrEqual(16)
    expect(built).toBeGreaterThan(60)
    conversations.close()
  })

  test('keeps to the affinity that its caller names', () => {
    const conversations = new Conversations()
    conversations.keep('me', kept(chat(['hello']), 'one'))
    const next = chat(['hello', 'hi', 'go on'])
    expect(conversations.continue('me', next, 'two')).toEqual({ affinity: 'two', base: undefined })
    expect(conversations.continue('me', next, 'one')).toMatchObject({ affinity: 'one', base: { affinity: 'one' } })
    conversations.close()
  })

  test('of another owner is never built on, and what a relay has lost is not named again', () => {
    const conversations = new Conversations()
    const first = chat(['hello'])
    const next = chat(['hello', 'hi', 'go on'])
    conversations.keep('me', kept(first))
    expect(conversations.continue('you', next, undefined)?.base).toBeUndefined()
    conversations.forget('me', digestOf(first))
    expect(conversations.continue('me', next, undefined)?.base).toBeUndefined()
    conversations.close()
  })

  test('is not looked for in bodies that fit a packet, or no window', () => {
    const conversations = new Conversations()
    expect(conversations.continue('me', Buffer.from('{"messages":[]}'), undefined)).toBeUndefined()
    expect(conversations.continue('me', Buffer.alloc(MAX_KEPT_BODY_BYTES + 1, 'x'), undefined)).toBeUndefined()
    conversations.close()
  })
})

describe('kept bodies', () => {
  const limits = { maxBytes: 100_000, maxOwnerBytes: 40_000, maxOwnerBodies: 5, lifeMs: 1000 }
  const body = (seed: number, bytes = 2000): Buffer => Buffer.alloc(bytes, `${seed} `)

  test('are bounded for each owner and in all, whatever comes', () => {
    const owner = fc.integer({ min: 0, max: 20 }).map(String)
    const size = fc.integer({ min: 0, max: 50_000 })
    fc.assert(
      fc.property(fc.array(fc.tuple(owner, size, fc.nat(5)), { maxLength: 100, size: 'max' }), (steps) => {
        const bodies = new KeptBodies(limits, () => 0)
        for (const [who, bytes, base] of steps) {
          const before = bodies.of(who).at(-base)?.digest
          bodies.keep(who, kept(body(bytes, bytes), 'a', before))
          const mine = bodies.of(who)
          expect(mine.length).toBeLessThanOrEqual(5)
          expect(mine.reduce((sum, each) => sum + each.bytes.length, 0)).toBeLessThanOrEqual(40_000)
          expect(bodies.bytes).toBeLessThanOrEqual(100_000)
        }
        const all = [...new Set(steps.map(([who]) => who))].flatMap((who) => bodies.of(who))
        expect(all.reduce((sum, each) => sum + each.bytes.length, 0)).toBe(bodies.bytes)
        expect(all.length).toBe(bodies.count)
      }),
    )
  })

  test('live for a while, and are copies', () => {
    let now = 0
    const bodies = new KeptBodies(limits, () => now)
    const bytes = body(1)
    const { digest } = kept(bytes)
    expect(bodies.keep('me', kept(bytes))).toBe(true)
    bytes.fill('z')
    expect(digestOf(bodies.get('me', digest)?.bytes ?? Buffer.alloc(0))).toBe(digest)
    now = 999
    expect(bodies.get('me', digest)).toBeDefined()
    now = 1000
    expect(bodies.get('me', digest)).toBeUndefined()
    expect(bodies.bytes).toBe(0)
  })

  test('of one conversation are two: the last, and the one before it', () => {
    const bodies = new KeptBodies(limits, () => 0)
    const turns = [1, 2, 3, 4].map((seed) => body(seed))
    let base: string | undefined
    for (const turn of turns) {
      bodies.keep('me', kept(turn, 'a', base))
      base = digestOf(turn)
    }
    expect(bodies.of('me').map(({ digest }) => digest)).toEqual(turns.slice(2).map(digestOf))
  })

  test('are none that are small, huge, or look like a dictionary with tables', () => {
    const bodies = new KeptBodies({ ...limits, maxBytes: 1e8, maxOwnerBytes: 1e8 }, () => 0)
    const trap = body(1)
    trap.writeUInt32LE(0xec30a437, 0)
    for (const bytes of [body(1, 1023), body(1, MAX_KEPT_BODY_BYTES + 1), trap]) {
      expect(bodies.keep('me', kept(bytes))).toBe(false)
    }
    expect(bodies.count).toBe(0)
  })
})
