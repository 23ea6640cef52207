/** How much of one answer is kept, in bytes. */
export interface KeptBytes {
  /** Answers up to this length are kept whole; also the most that is read ahead from a vendor while nobody reads. */
  readonly whole: number
  /** Of longer ones, what stays behind the newest byte that was handed on: more than kernels and proxies hold. */
  readonly behind: number
  /** The same while there is no room. */
  readonly behindTight: number
}

interface Block {
  readonly start: number
  readonly bytes: Buffer
  used: number
}

const SMALLEST_BLOCK = 1024
const LARGEST_BLOCK = 65_536

/**
 * The bytes of one answer, to be read again from any offset that is still kept.
 *
 * Pieces are copied into blocks: events of a stream are small, and each would otherwise pin the socket read it came in.
 */
export class ReplayBuffer {
  readonly #kept: KeptBytes
  readonly #onHeld: (delta: number) => void
  #blocks: Block[] = []
  #end = 0
  #handedOn = 0
  #isTight = false

  /** @param onHeld told of each change of the memory that the buffer holds. */
  constructor(kept: KeptBytes, onHeld: (delta: number) => void) {
    this.#kept = kept
    this.#onHeld = onHeld
  }

  /** Lowest offset that can still be read. */
  get start(): number {
    return this.#blocks[0]?.start ?? this.#end
  }

  /** Length of the answer so far. */
  get end(): number {
    return this.#end
  }

  /** Whether no more may be read from the vendor while nobody reads. */
  get isFull(): boolean {
    return this.#end - this.#handedOn >= this.#kept.whole
  }

  add(piece: Buffer): void {
    for (let at = 0; at < piece.length; ) {
      const block = this.#openBlock(piece.length - at)
      const copied = Math.min(piece.length - at, block.bytes.length - block.used)
      block.bytes.set(copied === piece.length ? piece : piece.subarray(at, at + copied), block.used)
      block.used += copied
      at += copied
      this.#end += copied
    }
    this.#trim()
  }

  /** Kept bytes from `offset` on, as many as lie together; undefined at the end. */
  from(offset: number): Buffer | undefined {
    const block = this.#blocks.findLast(({ start }) => start <= offset)
    const at = offset - (block?.start ?? 0)
    return block === undefined || at >= block.used ? undefined : block.bytes.subarray(at, block.used)
  }

  /** Notes that a reader's socket has taken everything below `offset`. */
  handedOn(offset: number): void {
    this.#handedOn = Math.max(this.#handedOn, offset)
    this.#trim()
  }

  /** From now on short answers are not kept whole either: there is no room. */
  tighten(): void {
    this.#isTight = true
    this.#trim()
  }

  /** Forgets everything. */
  clear(): void {
    for (const block of this.#blocks) this.#onHeld(-block.bytes.length)
    this.#blocks = []
  }

  #openBlock(wanted: number): Block {
    const last = this.#blocks.at(-1)
    if (last !== undefined && last.used < last.bytes.length) return last
    const size = Math.min(LARGEST_BLOCK, Math.max(SMALLEST_BLOCK, wanted, this.#end))
    const block = { start: this.#end, bytes: Buffer.allocUnsafeSlow(size), used: 0 }
    this.#blocks.push(block)
    this.#onHeld(size)
    return block
  }

  #trim(): void {
    if (this.#end <= this.#kept.whole && !this.#isTight) return
    const needed = this.#handedOn - (this.#isTight ? this.#kept.behindTight : this.#kept.behind)
    const keep = this.#blocks.findIndex(({ start, used }) => start + used > needed)
    const dropped = this.#blocks.splice(0, keep === -1 ? this.#blocks.length : keep)
    for (const block of dropped) this.#onHeld(-block.bytes.length)
  }
}
