import { encodeFrame, type Frame, FrameDecoder, FrameError, MAX_FRAME_BYTES } from '@llm-ferry/sdk/link/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const pairs = fc.array(fc.tuple(fc.string(), fc.string())).map((list) => list.flat())
const bytes = fc.uint8Array({ maxLength: 300 }).map((list) => Buffer.from(list))

const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc
    .record({ status: fc.integer({ min: 200, max: 599 }), reason: fc.string(), headers: pairs, offset: fc.nat() })
    .map((head) => ({ type: 'head' as const, head })),
  bytes.map((data) => ({ type: 'data' as const, bytes: data })),
  fc.constant({ type: 'heartbeat' as const }),
  fc.record({ bytes: fc.nat(), trailers: pairs }).map((end) => ({ type: 'end' as const, end })),
  fc
    .record({ code: fc.constant('upstream_truncated' as const), message: fc.string() })
    .map((abort) => ({ type: 'abort' as const, abort })),
)

function encode(frame: Frame): Buffer {
  if (frame.type === 'head') return encodeFrame.head(frame.head)
  if (frame.type === 'data') return encodeFrame.data(frame.bytes)
  if (frame.type === 'end') return encodeFrame.end(frame.end)
  return frame.type === 'abort' ? encodeFrame.abort(frame.abort) : encodeFrame.heartbeat()
}

/** The frames with neighbouring data in one, as data may come in any number of pieces. */
function joined(frames: readonly Frame[]): Frame[] {
  const list: Frame[] = []
  for (const frame of frames) {
    const last = list.at(-1)
    if (frame.type !== 'data') list.push(frame)
    else if (last?.type === 'data')
      list[list.length - 1] = { type: 'data', bytes: Buffer.concat([last.bytes, frame.bytes]) }
    else if (frame.bytes.length > 0) list.push(frame)
  }
  return list
}

describe('frames', () => {
  test('arrive as they were sent, wherever the stream is split', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 })
    fc.assert(
      fc.property(fc.array(frames), sizes, (sent, steps) => {
        const wire = Buffer.concat(sent.map(encode))
        const decoder = new FrameDecoder()
        const got: Frame[] = []
        for (let at = 0, i = 0; at < wire.length; i++) {
          const size = steps[i % steps.length] ?? 1
          got.push(...decoder.push(wire.subarray(at, at + size)))
          at += size
        }
        expect(joined(got)).toEqual(joined(sent))
      }),
    )
  })

  test('half a frame is none, but what has come of its data counts', () => {
    const end = encodeFrame.end({ bytes: 5, trailers: [] })
    for (let cut = 0; cut < end.length; cut++) expect(new FrameDecoder().push(end.subarray(0, cut))).toEqual([])
    const data = encodeFrame.data(Buffer.from('hello'))
    for (let cut = 5; cut <= data.length; cut++) {
      const [frame] = new FrameDecoder().push(data.subarray(0, cut))
      expect(frame).toEqual({ type: 'data', bytes: Buffer.from('hello'.slice(0, cut - 4)) })
    }
  })

  test.each([
    ['an unknown type', Buffer.from([9, 0, 0, 0])],
    ['a length beyond the limit', Buffer.from([2, 0xff, 0xff, 0xff])],
    ['a head without JSON', Buffer.from([1, 0, 0, 1, 0x7b])],
    ['a head without fields', Buffer.concat([Buffer.from([1, 0, 0, 2]), Buffer.from('{}')])],
    ['an end without its length', Buffer.concat([Buffer.from([4, 0, 0, 2]), Buffer.from('{}')])],
  ])('refuses %s', (_, wire) => {
    expect(() => new FrameDecoder().push(wire)).toThrow(FrameError)
  })

  test('refuses to make one that the other side would refuse', () => {
    expect(() => encodeFrame.data(Buffer.alloc(MAX_FRAME_BYTES + 1))).toThrow(FrameError)
  })
})
