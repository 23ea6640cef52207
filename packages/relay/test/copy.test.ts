import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { listen } from '@llm-ferry/kit'
import { describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, sse, sseHead } from '../../../test/testkit/dialects.ts'
import { eventually } from '../../../test/testkit/eventually.ts'
import { exchange, RawClient } from '../../../test/testkit/raw-client.ts'
import {
  afterBody,
  chunk,
  delay,
  flood,
  hang,
  head,
  lastChunk,
  raw,
  reset,
  type Step,
} from '../../../test/testkit/scripted-vendor.ts'
import { Copy } from '../src/copy.ts'
import { Exchange } from '../src/exchange.ts'
import { rig } from './rig.ts'

const openai = DIALECTS.openai
const test = rig({ STREAM_IDLE_TIMEOUT_MS: '400' })
const answer = (...steps: Step[]): void => {
  test.vendor.script = afterBody(() => steps)
}
const stream = async (version = 'HTTP/1.1', path = openai.path): Promise<RawClient> => {
  const client = await RawClient.connect(test.port)
  const bytes = chatBytes(openai, { streamed: true, version })
  await client.send(bytes.toString('latin1').replace(openai.path, path))
  await client.ended(3000)
  return client
}
const EVENT = 'data: {"a":1}\n\n'
const outcomes = (): unknown[] => test.lines.filter(({ event }) => event === 'request').map(({ outcome }) => outcome)

describe('a truncated stream', () => {
  it("ends in the vendor's own error event, and without the end of the chunks", async () => {
    answer(sseHead(), chunk(EVENT), delay(50), reset())
    const client = await stream()
    const [response] = client.responses
    expect(response?.complete).toBe(false)
    expect(response?.body.toString()).toMatch(
      /^data: \{"a":1\}\n\ndata: \{"error":\{"message":".+"code":"upstream_truncated"\}\}\n\n$/,
    )
    await eventually('logged', () => outcomes().length === 1)
    expect(outcomes()).toEqual(['upstream_truncated'])
  })

  it('counts on where the Responses API counts its events', async () => {
    answer(sseHead(), chunk('event: x\ndata: {"sequence_number":41}\n\n'), delay(50), reset())
    const client = await stream('HTTP/1.1', '/v1/responses')
    expect(client.text).toContain('event: error\ndata: {"type":"error","code":"upstream_truncated"')
    expect(client.text).toContain('"sequence_number":42}')
  })

  it('says nothing in the middle of an event', async () => {
    answer(sseHead(), chunk('data: {"a":'), delay(50), reset())
    const client = await stream()
    expect(client.responses[0]?.complete).toBe(false)
    expect(client.text).not.toContain('error')
  })

  it('says nothing in a compressed stream', async () => {
    answer(sseHead([['content-encoding', 'gzip']]), chunk(EVENT), delay(50), reset())
    const client = await stream()
    expect(client.responses[0]?.complete).toBe(false)
    expect(client.text).not.toContain('upstream_truncated')
  })

  it('resets a caller of HTTP/1.0, which reads up to the close', async () => {
    answer(sseHead(), chunk(EVENT), delay(50), reset())
    expect((await stream('HTTP/1.0')).ending).toBe('reset')
  })

  // undici takes a reset for the end of an answer that has neither length nor chunks.
  it("is noticed when the vendor's answer ends by closing", async () => {
    answer(
      head(200, [
        ['content-type', 'text/event-stream'],
        ['connection', 'close'],
      ]),
      raw(EVENT),
      delay(50),
      reset(),
    )
    expect((await stream()).responses[0]?.complete).toBe(false)
    expect((await stream('HTTP/1.0')).ending).toBe('reset')
  })

  it('is one that stands still for too long', async () => {
    answer(sseHead(), chunk(EVENT), hang())
    const client = await stream()
    expect(client.text).toContain('upstream_timeout')
    expect(client.responses[0]?.complete).toBe(false)
    await test.vendor.only.closed
  })
})

describe('a whole answer', () => {
  it('brings its trailers', async () => {
    answer(sseHead([['trailer', 'x-sum']]), chunk(EVENT), lastChunk([['x-sum', '7']]))
    const { trailers, complete } = await exchange(test.port, chatBytes(openai, { streamed: true }))
    expect([trailers, complete]).toEqual([[['x-sum', '7']], true])
  })

  it('sends its head before its first byte', async () => {
    answer(sseHead(), hang())
    const client = await RawClient.connect(test.port)
    await client.send(chatBytes(openai, { streamed: true }))
    expect(await client.until(() => client.responses.length === 1, 300)).toBe(true)
    client.destroy()
  })

  it('writes the events of one read at once, and each other one when it comes', async () => {
    answer(...sse([EVENT, EVENT, EVENT]))
    const { body } = await exchange(test.port, chatBytes(openai, { streamed: true }))
    expect(body.toString()).toBe(EVENT.repeat(3))
  })
})

describe('a caller that does not read', () => {
  const TOTAL = 256 * 1024 * 1024

  it('holds the vendor back in bounded memory, and is cut when it never reads', async () => {
    answer(head(200, [['content-length', String(TOTAL)]]), flood(TOTAL))
    const before = process.memoryUsage.rss()
    const client = await RawClient.connect(test.port)
    client.socket.pause()
    await client.send(chatBytes(openai))
    await eventually('cut', () => outcomes().includes('client_stalled'), 5000)
    await test.vendor.only.closed
    expect(process.memoryUsage.rss() - before).toBeLessThan(96 * 1024 * 1024)
    client.destroy()
  })

  it('is cut when it leaves the end of its answer unread, which the vendor has long sent', async () => {
    const body = Buffer.alloc(64 * 1024 * 1024)
    let exchange: Exchange | undefined
    const server = createServer((request, response) => {
      exchange = new Exchange(request, response)
      const copy = new Copy(exchange, 200)
      copy.head(200, 'OK', ['content-length', String(body.length)], body.length)
      copy.data(body, { pause() {}, resume() {} })
      copy.end()
    })
    const client = await RawClient.connect(await listen(server, 0, '127.0.0.1'))
    client.socket.pause()
    await client.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await eventually('cut', () => exchange?.isClosed === true)
    expect(exchange?.outcome).toBe('client_stalled')
    client.destroy()
    server.close()
  })

  it('gets every byte when it reads after all', async () => {
    const size = 32 * 1024 * 1024
    answer(head(200, [['content-length', String(size)]]), flood(size))
    const client = await RawClient.connect(test.port)
    let bytes = 0
    client.socket.removeAllListeners('data').on('data', (piece) => {
      bytes += piece.length
      if (bytes % 7 === 0) {
        client.socket.pause()
        setTimeout(() => client.socket.resume(), 5)
      }
    })
    await client.send(chatBytes(openai))
    await eventually('all', () => bytes > size, 8000)
    client.destroy()
  })
})

describe('a caller that leaves', () => {
  it.each([
    ['before the head', [hang()]],
    ['within the stream', [sseHead(), chunk(EVENT), hang()]],
  ] as const)('%s ends the call at the vendor', async (_, steps) => {
    answer(...steps)
    const client = await RawClient.connect(test.port)
    await client.send(chatBytes(openai, { streamed: true }))
    const request = await test.vendor.received()
    await sleep(50)
    const left = performance.now()
    client.destroy()
    expect((await request.closed).at - left).toBeLessThan(1000)
    await eventually('logged', () => outcomes().length === 1)
    expect(outcomes()).toEqual(['client_closed'])
  })
})
