/** Longest event that is held until it is whole; what is longer goes on in pieces. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024

const LF = 10
const CR = 13

/** Cuts a stream of bytes into whole server-sent events, each with the empty line that ends it. No byte is lost. */
export class EventSplitter {
  #rest: Buffer = Buffer.alloc(0)

  push(piece: Uint8Array): readonly Buffer[] {
    const arrived = Buffer.from(piece.buffer, piece.byteOffset, piece.length)
    const bytes = this.#rest.length === 0 ? arrived : Buffer.concat([this.#rest, arrived])
    // An end may stand across two pieces, never further back than three bytes.
    const events: Buffer[] = []
    let start = 0
    for (let at = Math.max(0, this.#rest.length - 3); at < bytes.length; at++) {
      const end = endOfEvent(bytes, at)
      if (end === undefined) continue
      events.push(bytes.subarray(start, end))
      start = end
      at = end - 1
    }
    this.#rest = bytes.subarray(start)
    return this.#rest.length > MAX_EVENT_BYTES ? [...events, this.rest()] : events
  }

  /** What stands behind the last whole event. */
  rest(): Buffer {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return rest
  }
}

/** Where an event ends whose empty line begins at `at`: `\n\n`, `\n\r\n` or `\r\r`. */
function endOfEvent(bytes: Buffer, at: number): number | undefined {
  const [byte, next] = [bytes[at], bytes[at + 1]]
  if (byte === LF && next === LF) return at + 2
  if (byte === LF && next === CR && bytes[at + 2] === LF) return at + 3
  return byte === CR && next === CR ? at + 2 : undefined
}
