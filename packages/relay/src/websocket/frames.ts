const CLOSE = 8
const NO_STATUS = 1005

/**
 * Follows the frames in a stream of WebSocket bytes without holding or changing any: it knows where one ends, so that
 * the relay can say goodbye between two of them, and how the peer closed (RFC 6455, 5.2 and 5.5.1).
 */
export class Frames {
  readonly #head = new Uint8Array(14)
  #headBytes = 0
  #payloadLeft = 0
  #closeBytes: number[] | undefined
  #closeCode: number | undefined

  /** Code of the Close frame that passed: 1005 for one without a code, undefined for none. */
  get closeCode(): number | undefined {
    return this.#closeCode
  }

  /** Whether everything so far was whole frames. */
  get isBetween(): boolean {
    return this.#headBytes === 0
  }

  /** Looks at the next bytes; returns where in them the last whole frame ends, or -1. */
  push(bytes: Uint8Array): number {
    let boundary = -1
    for (let at = 0; at < bytes.length; ) {
      at += this.#payloadLeft > 0 ? this.#payload(bytes, at) : this.#headByte(bytes[at] ?? 0)
      if (this.isBetween) boundary = at
    }
    return boundary
  }

  #headByte(byte: number): number {
    this.#head[this.#headBytes++] = byte
    if (this.#headBytes < 2 || this.#headBytes < this.#headLength) return 1
    this.#payloadLeft = this.#payloadLength()
    if (this.#opcode === CLOSE) this.#closeBytes = []
    if (this.#payloadLeft === 0) this.#endFrame()
    return 1
  }

  #payload(bytes: Uint8Array, at: number): number {
    const taken = Math.min(this.#payloadLeft, bytes.length - at)
    if (this.#closeBytes !== undefined) this.#closeBytes.push(...bytes.subarray(at, at + Math.min(taken, 2)))
    this.#payloadLeft -= taken
    if (this.#payloadLeft === 0) this.#endFrame()
    return taken
  }

  #endFrame(): void {
    if (this.#closeBytes !== undefined) this.#closeCode ??= this.#readCode(this.#closeBytes)
    this.#closeBytes = undefined
    this.#headBytes = 0
  }

  #readCode([high, low]: readonly number[]): number {
    if (high === undefined || low === undefined) return NO_STATUS
    const mask = this.#isMasked ? this.#headLength - 4 : -1
    const unmask = (byte: number, index: number): number => (mask < 0 ? byte : byte ^ (this.#head[mask + index] ?? 0))
    return unmask(high, 0) * 256 + unmask(low, 1)
  }

  get #opcode(): number {
    return (this.#head[0] ?? 0) & 0x0f
  }

  get #isMasked(): boolean {
    return ((this.#head[1] ?? 0) & 0x80) !== 0
  }

  /** The 7 bits that are the length, or say how many bytes of length follow. */
  get #shortLength(): number {
    return (this.#head[1] ?? 0) & 0x7f
  }

  get #headLength(): number {
    const extended = this.#shortLength === 126 ? 2 : this.#shortLength === 127 ? 8 : 0
    return 2 + extended + (this.#isMasked ? 4 : 0)
  }

  #payloadLength(): number {
    const view = new DataView(this.#head.buffer)
    if (this.#shortLength === 126) return view.getUint16(2)
    return this.#shortLength === 127 ? Number(view.getBigUint64(2)) : this.#shortLength
  }
}

/** A server's Close frame with this code. */
export function closeFrame(code: number): Buffer {
  return Buffer.from([0x80 | CLOSE, 2, code >> 8, code & 0xff])
}
