import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { deflateRawSync } from 'node:zlib'
import { FerryError } from '@llm-ferry/sdk'
import { createLink } from '@llm-ferry/sdk/link'
import {
  choosePacking,
  encodeFrame,
  type Frame,
  FrameDecoder,
  FrameError,
  MAX_PACKED_BYTES,
  Packer,
  understoodPackings,
} from '@llm-ferry/sdk/link/wire'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'

const BEST = choosePacking(understoodPackings()) ?? 'deflate'
/** Fifty megabytes of nothing in fifty kilobytes. */
const BOMB = deflateRawSync(Buffer.alloc(50_000_000))
const event = (text: string): string =>
  `data: {"id":"chatcmpl-x","choices":[{"index":0,"delta":{"content":"${text}"}}]}\n\n`
const dataOf = (frames: readonly Frame[]): Buffer =>
  Buffer.concat(frames.map((frame) => (frame.type === 'data' ? frame.bytes : Buffer.alloc(0))))

describe('packed frames', () => {
  test('are what this runtime can do, with the preset text first', () => {
    expect(BEST).toMatch(/^deflate\.[0-9a-f]{8}$/)
    expect(understoodPackings()).toBe(`${BEST}, deflate`)
  })

  test.each([
    ['another preset', 'deflate.00000000, deflate', 'deflate'],
    ['a packing of another time', 'zpaq', undefined],
    ['nothing', undefined, undefined],
  ])('between ends of which one knows %s fall back', (_, understood, packing) => {
    expect(choosePacking(understood)).toBe(packing)
  })

  test.each([BEST, 'deflate'] as const)('in %s say nothing of the answer whose context they were given', (packing) => {
    const packed = (text: string): Buffer => {
      const packer = new Packer(packing)
      const bytes = Buffer.from(packer.pack(Buffer.from(text)))
      packer.close()
      packer.close()
      return bytes
    }
    const [secret, other] = ['a secret of somebody, in no preset text', 'words that another one says here']
    const first = packed(secret)
    packed(other)
    expect(packed(secret)).toEqual(first)
    expect(first.length).toBeGreaterThan(secret.length / 2)
  })

  test('are unpacked from the beginning after an answer that broke off, or was none', () => {
    const packer = new Packer(BEST)
    const frame = encodeFrame.packedData(Buffer.from(event('x'.repeat(400))), (piece) => packer.pack(piece))
    for (const bytes of [frame.subarray(0, 4), Buffer.concat([Buffer.from([0x80 + 20]), Buffer.alloc(20, 0xff)])]) {
      const broken = new FrameDecoder(BEST)
      try {
        broken.push(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError)
      }
      broken.close()
      const whole = new FrameDecoder(BEST)
      expect(dataOf(whole.push(frame)).toString()).toBe(event('x'.repeat(400)))
      whole.close()
      expect(() => whole.push(frame)).toThrow(FrameError)
    }
  })

  test.each([BEST, 'deflate'] as const)('in %s arrive as they were sent, wherever the stream is split', (packing) => {
    const piece = fc.oneof(fc.string({ unit: 'grapheme' }).map(event), fc.string()).filter((text) => text !== '')
    const isPacked = fc.boolean()
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 })
    fc.assert(
      fc.property(fc.array(fc.tuple(piece, isPacked)), sizes, (sent, steps) => {
        const packer = new Packer(packing)
        const pack = (bytes: Buffer): Buffer => packer.pack(bytes)
        const head = { status: 200, reason: 'OK', headers: ['content-type', 'text/event-stream'], offset: 7 }
        const wire = Buffer.concat([
          encodeFrame.packedHead(head, pack),
          ...sent.map(([text, packs]) =>
            packs ? encodeFrame.packedData(Buffer.from(text), pack) : encodeFrame.data(Buffer.from(text)),
          ),
        ])
        packer.close()
        const decoder = new FrameDecoder(packing)
        const got: Frame[] = []
        for (let at = 0, i = 0; at < wire.length; i++) {
          const size = steps[i % steps.length] ?? 1
          got.push(...decoder.push(wire.subarray(at, at + size)))
          at += size
        }
        decoder.close()
        expect(got[0]).toEqual({ type: 'head', head })
        expect(dataOf(got).toString()).toBe(sent.map(([text]) => text).join(''))
      }),
      { numRuns: 50 },
    )
  })

  test('take 20 bytes for an event of a chat', () => {
    const packer = new Packer(BEST)
    const pack = (bytes: Buffer): Buffer => packer.pack(bytes)
    const [, ...sizes] = ['Hello', ' there', ' how', ' are'].map(
      (text) => encodeFrame.packedData(Buffer.from(event(text)), pack).length,
    )
    packer.close()
    expect(Math.max(...sizes)).toBeLessThan(20)
  })

  test('carry what is larger than one of them', () => {
    const packer = new Packer(BEST)
    const large = Buffer.from(event('渡轮过江 ').repeat(5000))
    const wire = encodeFrame.packedData(large, (bytes) => packer.pack(bytes))
    packer.close()
    const decoder = new FrameDecoder(BEST)
    expect(dataOf(decoder.push(wire)).equals(large)).toBe(true)
    decoder.close()
  })

  const packedFrame = (payload: Buffer, type = 7): Buffer => {
    const head = Buffer.from([type, 0, 0, 0])
    head.writeUIntBE(payload.length, 1, 3)
    return Buffer.concat([head, payload])
  }

  test.each([
    ['a bomb', packedFrame(BOMB)],
    ['one byte more than it may', packedFrame(deflateRawSync(Buffer.alloc(MAX_PACKED_BYTES + 1)))],
    ['bytes that nobody packed', packedFrame(Buffer.from('\xff\xff no deflate', 'latin1'))],
    ['bytes after their end', packedFrame(Buffer.concat([deflateRawSync(Buffer.from('x')), Buffer.from('more')]))],
    ['a head that is a bomb', packedFrame(BOMB, 6)],
  ])('that hold %s are refused in bounded memory', (_, wire) => {
    const before = process.memoryUsage().rss
    const decoder = new FrameDecoder('deflate')
    expect(() => decoder.push(wire)).toThrow(FrameError)
    decoder.close()
    expect(process.memoryUsage().rss - before).toBeLessThan(20_000_000)
  })

  test('that were not agreed are refused', () => {
    const packer = new Packer('deflate')
    const wire = encodeFrame.packedData(Buffer.from('text'), (bytes) => packer.pack(bytes))
    packer.close()
    expect(() => new FrameDecoder().push(wire)).toThrow(FrameError)
  })
})

describe('a relay that lies', () => {
  let server: Server | undefined
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
  })

  /** Counts what was asked of it, and answers each with these bytes. */
  async function liar(bytes: Buffer) {
    const asked: (string | undefined)[] = []
    server = createServer((request, response) => {
      if (request.method === 'DELETE') {
        response.writeHead(204).end()
        return
      }
      if (request.method === 'POST') asked.push(request.headers['x-ferry-pack'] as string | undefined)
      response.writeHead(200, { 'x-ferry-frames': '1', 'x-ferry-heartbeat': '5000', 'x-ferry-pack': 'deflate' })
      response.end(bytes)
    })
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
    const link = createLink({ relays: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] })
    return { link, asked }
  }
  /** Head of a packed frame that is longer than the bomb. */
  const OVERLONG = Buffer.from([7, 0x0f, 0x42, 0x40])
  const request = { path: '/proxy/openai/x', method: 'POST', headers: [], body: Buffer.from('{}') }

  test.each([
    ['in place of a head', OVERLONG],
    ['after it', Buffer.concat([encodeFrame.head({ status: 200, reason: '', headers: [], offset: 0 }), OVERLONG])],
  ])('with a bomb %s is asked again without packing, and given up soon', async (_, start) => {
    const before = process.memoryUsage().rss
    const { link, asked } = await liar(Buffer.concat([start, BOMB]))
    const answer = await link.request(request)
    const read = async (): Promise<void> => {
      for await (const _ of answer.body);
    }
    if (answer.status === 200) await expect(read()).rejects.toBeInstanceOf(FerryError)
    else expect(answer.headers).toContain('upstream_invalid')
    expect(asked).toEqual([understoodPackings(), undefined, undefined])
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000)
    await link.close()
  })
})
