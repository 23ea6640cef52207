import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { closeFrame, Frames } from '../../src/websocket/frames.ts'

/** A frame by RFC 6455, 5.2. */
function frame(opcode: number, payload: Buffer, masked: boolean, fin = true): Buffer {
  const { length } = payload
  const short = length < 126 ? length : length < 65_536 ? 126 : 127
  const extended = Buffer.alloc(short === 126 ? 2 : short === 127 ? 8 : 0)
  if (short === 126) extended.writeUInt16BE(length)
  if (short === 127) extended.writeBigUInt64BE(BigInt(length))
  const mask = masked ? Buffer.from([7, 250, 9, 128]) : Buffer.alloc(0)
  const body = masked ? payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)) : payload
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode, (masked ? 0x80 : 0) | short]), extended, mask, body])
}

const code = (value: number, reason = ''): Buffer =>
  Buffer.concat([Buffer.from([value >> 8, value & 255]), Buffer.from(reason)])

describe('frames', () => {
  const lengths = fc.oneof(fc.integer({ min: 0, max: 130 }), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000))
  const frames = fc.array(
    fc.record({ opcode: fc.constantFrom(0, 1, 2, 9, 10), length: lengths, masked: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 6,
    },
  )

  it('are followed across any splits', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1 }), (list, sizes) => {
        const parts = list.map(({ opcode, length, masked }) => frame(opcode, Buffer.alloc(length, 136), masked))
        const bytes = Buffer.concat(parts)
        const ends = new Set<number>()
        let total = 0
        for (const part of parts) {
          total += part.length
          ends.add(total)
        }
        const follower = new Frames()
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? 1
          const boundary = follower.push(bytes.subarray(at, at + size))
          const inside = [...ends].filter((end) => end > at && end <= at + size).at(-1)
          expect(boundary).toBe(inside === undefined ? -1 : inside - at)
          at = Math.min(bytes.length, at + size)
          expect(follower.isBetween).toBe(ends.has(at))
        }
        expect(follower.closeCode).toBeUndefined()
      }),
      { numRuns: 60 },
    )
  })

  it.each([false, true])('tell how the peer closed, masked: %s', (masked) => {
    const read = (payload: Buffer): number | undefined => {
      const follower = new Frames()
      for (const byte of frame(8, payload, masked)) follower.push(Uint8Array.of(byte))
      return follower.closeCode
    }
    expect(read(code(1000))).toBe(1000)
    expect(read(code(4999, 'the reason'))).toBe(4999)
    expect(read(Buffer.alloc(0))).toBe(1005)
  })

  it('tell the first close only', () => {
    const follower = new Frames()
    follower.push(Buffer.concat([frame(1, Buffer.from('hi'), false), closeFrame(1001), frame(8, code(1000), false)]))
    expect(follower.closeCode).toBe(1001)
  })
})
