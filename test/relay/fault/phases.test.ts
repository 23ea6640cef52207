import { describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, type Dialect, json, sseHead } from '../../testkit/dialects.ts'
import { eventually } from '../../testkit/eventually.ts'
import { exchange, headerOf, RawClient, type RawResponse } from '../../testkit/raw-client.ts'
import {
  afterBody,
  chunk,
  delay,
  dribble,
  fin,
  hang,
  head,
  raw,
  reset,
  type Script,
  type Step,
} from '../../testkit/scripted-vendor.ts'
import { VENDORS } from '../../testkit/services.ts'
import { answerRightly, expectRefusal, relayRig } from '../rig.ts'

const JSON_HEAD = (length: number): Step =>
  head(200, [
    ['content-type', 'application/json'],
    ['content-length', String(length)],
  ])

/** What the vendor does in place of a head. */
const NO_HEAD: Readonly<Record<string, Script>> = {
  'a reset before the body was read': () => [reset()],
  'a reset': afterBody(() => [reset()]),
  'a clean end': afterBody(() => [fin()]),
  'half a head, then a reset': afterBody(() => [raw('HTTP/1.1 200 OK\r\ncontent-ty'), delay(20), reset()]),
  'half a head, then a clean end': afterBody(() => [raw('HTTP/1.1 200 OK\r\ncontent-ty'), delay(20), fin()]),
  'no HTTP at all': afterBody(() => [raw('\x15\x03\x01\x00\x02\x02\x50 SSH-2.0-OpenSSH\r\n\r\n'), fin()]),
  'half a status line': afterBody(() => [raw('HTTP/1.1\r\n\r\n'), fin()]),
  'a status that is no number': afterBody(() => [raw('HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n')]),
  'a header without a colon': afterBody(() => [raw('HTTP/1.1 200 OK\r\ngarbage\r\ncontent-length: 0\r\n\r\n')]),
  'NUL in a header': afterBody(() => [raw('HTTP/1.1 200 OK\r\nx-a: b\0c\r\ncontent-length: 0\r\n\r\n')]),
  // Response splitting and smuggling: who reads this differently makes the rest the next caller's answer.
  'two lengths': afterBody(() => [raw('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\n{}abc')]),
  'a length and chunks': afterBody(() => [
    raw('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'),
  ]),
  'a negative length': afterBody(() => [raw('HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}')]),
  'a protocol switch that nobody asked for': afterBody(() => [
    raw('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
  ]),
  'a head that is too large': afterBody(() => [raw(`HTTP/1.1 200 OK\r\nx-big: ${'x'.repeat(1024 * 1024)}\r\n\r\n`)]),
}

/** Where and how a vendor breaks off within an answer that began well. */
function breaks(dialect: Dialect): Readonly<Record<string, readonly Step[]>> {
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = dialect.stream
  const half = second.subarray(0, second.length / 2)
  const chunkStart = (data: Buffer, sent: Buffer): Step =>
    raw(Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), sent]))
  const character = Buffer.from('data: {"text":"你')
  return {
    'stream: reset after the head': [sseHead(), delay(20), reset()],
    'stream: end after the head': [sseHead(), delay(20), fin()],
    'stream: reset between events': [sseHead(), chunk(first), delay(20), reset()],
    'stream: end between events': [sseHead(), chunk(first), delay(20), fin()],
    'stream: end within an event': [sseHead(), chunk(first), chunk(half), delay(20), fin()],
    'stream: end within a chunk': [sseHead(), chunk(first), chunkStart(second, half), delay(20), fin()],
    'stream: reset within a chunk': [sseHead(), chunk(first), chunkStart(second, half), delay(20), reset()],
    'stream: end within a character': [sseHead(), chunk(first), chunk(character.subarray(0, -1)), delay(20), fin()],
    'stream: end before the last chunk': [sseHead(), ...dialect.stream.map((event) => chunk(event)), delay(20), fin()],
    'stream: end within the last chunk': [sseHead(), chunk(first), raw('0\r\n'), delay(20), fin()],
    'stream: garbage for a chunk size': [sseHead(), chunk(first), delay(20), raw('zz\r\nmore\r\n0\r\n\r\n')],
    'stream: reset of a close-delimited answer': [
      head(200, [['content-type', 'text/event-stream']]),
      raw(first),
      delay(20),
      reset(),
    ],
    'plain: end within the body': [
      JSON_HEAD(dialect.answer.length),
      raw(dialect.answer.slice(0, 30)),
      delay(20),
      fin(),
    ],
    'plain: reset within the body': [
      JSON_HEAD(dialect.answer.length),
      raw(dialect.answer.slice(0, 30)),
      delay(20),
      reset(),
    ],
    'plain: end before the body': [JSON_HEAD(dialect.answer.length), delay(20), fin()],
    'plain: end before the last chunk': [
      head(200, [
        ['content-type', 'application/json'],
        ['transfer-encoding', 'chunked'],
      ]),
      chunk(dialect.answer),
      delay(20),
      fin(),
    ],
    'plain: end within gzip': [
      head(200, [
        ['content-type', 'application/json'],
        ['content-encoding', 'gzip'],
        ['content-length', '100'],
      ]),
      raw(Buffer.from('1f8b0800', 'hex')),
      delay(20),
      fin(),
    ],
  }
}

describe.each(VENDORS)('a vendor that breaks: %s', (vendor) => {
  const dialect = DIALECTS[vendor]
  const rig = relayRig({ REQUEST_TIMEOUT_MS: '1000' })

  for (const [story, script] of Object.entries(NO_HEAD)) {
    it(`gives a 502 for ${story}`, async () => {
      rig.vendor.script = script
      const answer = await exchange(rig.relay.port, chatBytes(dialect))
      expect(answer.status).toBe(502)
      const code = headerOf(answer, 'x-ferry-error') ?? ''
      expect(['upstream_invalid', 'upstream_truncated', 'upstream_unreachable']).toContain(code)
      // The vendor has the request, and may have billed it: whoever repeats it pays twice.
      expectRefusal(answer, dialect, { status: 502, code, reached: 'unknown' })
      expect(rig.vendor.requests).toHaveLength(1)
    })
  }

  it('gives a 504 for silence', async () => {
    rig.vendor.script = () => [hang()]
    const answer = await exchange(rig.relay.port, chatBytes(dialect))
    expectRefusal(answer, dialect, { status: 504, code: 'upstream_timeout', reached: 'unknown' })
    await eventually("the vendor's call ends with it", () => rig.vendor.only.closing !== undefined, 1000)
  })

  for (const [story, steps] of Object.entries(breaks(dialect))) {
    const streamed = story.startsWith('stream')
    it(`HTTP/1.1: ${story}`, async () => {
      rig.vendor.script = afterBody(() => steps)
      const client = await RawClient.connect(rig.relay.port)
      await client.send(chatBytes(dialect, { streamed }))
      await client.ended()
      client.destroy()
      const [answer] = client.responses
      expect(answer && looksComplete(answer, dialect), client.text).not.toBe(true)
      expect(client.ending).not.toBe('open')
    })

    // A reader of HTTP/1.0 has no chunks: a FIN is the end of the answer, so only a reset tells the truth.
    it(`HTTP/1.0: ${story}`, async () => {
      rig.vendor.script = afterBody(() => steps)
      const client = await RawClient.connect(rig.relay.port)
      await client.send(chatBytes(dialect, { streamed, version: 'HTTP/1.0' }))
      await client.ended()
      client.destroy()
      const [answer] = client.responses
      if (answer?.framing === 'length') expect(looksComplete(answer, dialect), client.text).toBe(false)
      else if (answer?.status !== 502) expect(client.ending, client.text).toBe('reset')
    })
  }

  it('serves the next call as if nothing had been', async () => {
    rig.vendor.script = afterBody(() => [sseHead(), reset()])
    const client = await RawClient.connect(rig.relay.port)
    await client.send(chatBytes(dialect, { streamed: true }))
    await client.ended()
    client.destroy()
    answerRightly(rig.vendor)
    expect((await exchange(rig.relay.port, chatBytes(dialect))).status).toBe(200)
  })
})

/** Whether a reader would take this for a whole, good answer. An error event of the vendor says that it is none. */
function looksComplete({ complete, status, body, trailers }: RawResponse, dialect: Dialect): boolean {
  if (!complete || status >= 500 || trailers.length > 0) return false
  const last = body.toString('utf8').trimEnd().split(/\n\n/).at(-1) ?? ''
  const data = /^data: (.*)$/m.exec(last)?.[1] ?? ''
  try {
    return dialect.errorMessage(data) === undefined
  } catch {
    return true
  }
}

describe('a vendor that is odd, not broken', () => {
  const rig = relayRig()
  const dialect = DIALECTS.openai
  const ask = (streamed = false) => exchange(rig.relay.port, chatBytes(dialect, { streamed }))
  const text = Buffer.concat(dialect.stream)

  it('dribbles byte by byte, within characters too', async () => {
    const body = Buffer.from('data: {"text":"你好 \u{1F6A2}"}\n\n')
    rig.vendor.script = afterBody(() => [head(200, [['content-length', String(body.length)]]), dribble(body, 1, 2)])
    expect((await ask(true)).body.equals(body)).toBe(true)
  })

  it('splits chunk heads and everything else between writes', async () => {
    const wire = Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nabcde\r\n0\r\n\r\n')
    rig.vendor.script = afterBody(() => [dribble(wire, 1, 1)])
    expect((await ask()).body.toString()).toBe('abcde')
  })

  it('ends its answer by closing, which is right in HTTP/1.1', async () => {
    rig.vendor.script = afterBody(() => [head(200, [['content-type', 'text/event-stream']]), raw(text), fin()])
    const answer = await ask(true)
    expect(answer.complete).toBe(true)
    expect(answer.body.equals(text)).toBe(true)
  })

  it('answers in HTTP/1.0', async () => {
    rig.vendor.script = afterBody(() => [raw('HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{}'), fin()])
    expect((await ask()).body.toString()).toBe('{}')
  })

  it('sends interim answers: only 100 may travel', async () => {
    rig.vendor.script = afterBody(() => [
      raw('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n'),
      delay(20),
      ...json('{}'),
    ])
    const client = await RawClient.connect(rig.relay.port)
    await client.send(chatBytes(dialect))
    await client.answered()
    client.destroy()
    expect(client.responses.map(({ status }) => status)).toEqual([200])
  })

  it('answers before the body has been sent', async () => {
    rig.vendor.script = () => [...json('{"error":{}}', 429)]
    expect((await ask()).status).toBe(429)
  })

  it('closes its idle connection just before the next call', async () => {
    rig.vendor.script = afterBody(() => [...json('{}'), delay(30), fin()])
    for (let call = 0; call < 10; call++) {
      // At every offset around the close. A call that loses the race may fail, but never twice reach the vendor.
      const answer = await ask()
      expect([200, 502]).toContain(answer.status)
      await new Promise((resolve) => setTimeout(resolve, 24 + call))
    }
    expect(rig.vendor.requests.length).toBeLessThanOrEqual(10)
  })
})
