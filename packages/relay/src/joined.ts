/** A chunk's frame has two line ends and its length; longer gaps hold something else. */
const LONGEST_FRAME_BYTES = 16

/**
 * Pieces of a body as one, `bytes` in all.
 *
 * Those that one socket read brought lie in that read's memory, with nothing but the frames of chunks between them, which
 * nobody needs any more: they are moved together where they lie, for a quarter of what a copy costs.
 */
export function joined(pieces: readonly Buffer[], bytes: number): Buffer {
  const [first] = pieces
  if (first === undefined) return Buffer.alloc(0)
  if (pieces.length === 1) return first
  const memory = new Uint8Array(first.buffer)
  if (!areOneRead(pieces, first, memory)) return Buffer.concat(pieces, bytes)
  let end = first.byteOffset
  for (const { byteOffset, length } of pieces) {
    if (byteOffset !== end) memory.copyWithin(end, byteOffset, byteOffset + length)
    end += length
  }
  return Buffer.from(first.buffer, first.byteOffset, bytes)
}

/** Whether the pieces lie one behind the other, and only frames between them. */
function areOneRead(pieces: readonly Buffer[], first: Buffer, memory: Uint8Array): boolean {
  let end = first.byteOffset
  for (const piece of pieces) {
    const { buffer, byteOffset, length } = piece
    if (buffer !== first.buffer || byteOffset < end) return false
    if (piece !== first && !isFrame(memory, end, byteOffset)) return false
    end = byteOffset + length
  }
  return true
}

const CR = 13
const LF = 10

function isFrame(memory: Uint8Array, from: number, to: number): boolean {
  const length = to - from
  if (length === 0) return true
  if (length < 5 || length > LONGEST_FRAME_BYTES) return false
  return memory[from] === CR && memory[from + 1] === LF && memory[to - 2] === CR && memory[to - 1] === LF
}
