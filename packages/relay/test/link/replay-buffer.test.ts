import { expect, test } from 'vitest'
import { ReplayBuffer } from '../../src/link/replay-buffer.ts'

const MIB = 1 << 20
const text = (length: number, from = 0): Buffer => Buffer.from(Array.from({ length }, (_, i) => (from + i) % 251))

function buffer({ whole = MIB, behind = 1024 } = {}) {
  const counted = { held: 0 }
  const kept = { whole, behind, behindTight: behind }
  const bytes = new ReplayBuffer(kept, (delta) => {
    counted.held += delta
  })
  return { bytes, counted }
}

/** What can be read from `offset` on, and in how many pieces. */
function read(bytes: ReplayBuffer, offset: number): { all: Buffer; pieces: number } {
  const pieces: Buffer[] = []
  for (let at = offset; ; ) {
    const piece = bytes.from(at)
    if (piece === undefined) return { all: Buffer.concat(pieces), pieces: pieces.length }
    pieces.push(piece)
    at += piece.length
  }
}

/** A socket read with chunks of a body in it, each in its frame. */
function socketRead(chunks: readonly Buffer[]): Buffer[] {
  const framed = chunks.map((chunk) => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')])
  const memory = Buffer.concat(framed.flat())
  const owned = Buffer.from(memory.buffer.slice(memory.byteOffset, memory.byteOffset + memory.length))
  let at = 0
  return framed.map(([head, chunk, end]) => {
    at += head?.length ?? 0
    const piece = owned.subarray(at, at + (chunk?.length ?? 0))
    at += piece.length + (end?.length ?? 0)
    return piece
  })
}

test('what one turn brought is one piece, without a copy where it is large', () => {
  const { bytes, counted } = buffer()
  const chunks = Array.from({ length: 200 }, (_, i) => text(250, i))
  const pieces = socketRead(chunks)
  for (const piece of pieces) bytes.add(piece)
  bytes.endTurn()
  expect(read(bytes, 0)).toEqual({ all: Buffer.concat(chunks), pieces: 1 })
  expect(bytes.from(0)?.buffer).toBe(pieces[0]?.buffer)
  expect(counted.held).toBe(pieces[0]?.buffer.byteLength)
  bytes.clear()
  expect(counted.held).toBe(0)
})

test('small pieces of many turns share a block, and pin no socket read', () => {
  const { bytes, counted } = buffer()
  const chunks = Array.from({ length: 100 }, (_, i) => text(60, i))
  for (const chunk of chunks) {
    bytes.add(socketRead([chunk])[0] ?? chunk)
    bytes.endTurn()
  }
  expect(read(bytes, 61).all).toEqual(Buffer.concat(chunks).subarray(61))
  expect(read(bytes, 0).pieces).toBeLessThan(6)
  expect(counted.held).toBeLessThan(2 * 6000)
})

test('a small piece of a large read is copied out of it', () => {
  const { bytes, counted } = buffer()
  bytes.add(Buffer.from(new ArrayBuffer(MIB), 0, 20_000))
  bytes.endTurn()
  expect(counted.held).toBe(20_000)
})

test('a turn of more than a frame holds is read in several', () => {
  const { bytes } = buffer()
  const large = text(200_000)
  bytes.add(large)
  bytes.endTurn()
  expect(read(bytes, 3)).toEqual({ all: large.subarray(3), pieces: 4 })
})

test('turns of all sizes can be read from any offset that is kept', () => {
  const { bytes, counted } = buffer({ whole: 100_000, behind: 5000 })
  const sizes = [1, 300, 20_000, 5, 17_000, 70_000, 12, 40_000, 1, 1]
  const all = text(sizes.reduce((sum, size) => sum + size, 0))
  let at = 0
  for (const size of sizes) {
    bytes.add(Buffer.from(all.subarray(at, at + size)))
    at += size
    expect(bytes.end).toBe(at)
    bytes.endTurn()
    bytes.handedOn(at)
    for (const offset of [bytes.start, Math.max(bytes.start, at - 5000), at]) {
      expect(read(bytes, offset).all.equals(all.subarray(offset, at))).toBe(true)
    }
  }
  expect(bytes.start).toBeGreaterThan(0)
  expect(bytes.start).toBeLessThanOrEqual(at - 5000)
  // A block more than is needed.
  expect(counted.held).toBeLessThan(40_000 + 5000 + 65_536)
  bytes.clear()
  expect(counted.held).toBe(0)
})
