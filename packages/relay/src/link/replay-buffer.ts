import { joined } from '../joined.ts'

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
/** What one turn brought is kept where it lies from this size on, unless that wastes half as much. */
const KEPT_AS_IT_IS = 16_384

/**
 * The bytes of one answer, to be read again from any offset that is still kept.
 *
 * What one turn of the event loop brings is one piece. A small one is copied into a block, since it would pin the socket read
 * that it came in.
 */
export class ReplayBuffer {
  readonly #kept: KeptBytes
  readonly #onHeld: (delta: number) => void
  #blocks: Block[] = []
  /** What this turn has brought, not yet in a block. */
  #turn: Buffer[] = []
  #turnBytes = 0
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
    return this.#blocks[0]?.start ?? this.#end - this.#turnBytes
  }

  /** Length of the answer so far. */
  get end(): number {
    return this.#end
  }

  /** Whether no more may be read from the vendor while nobody reads. */
  get isFull(): boolean {
    return this.#end - this.#handedOn >= this.#kept.whole
  }

  /** Takes a piece, whose memory must stay as it is until {@link endTurn}, which has to come in the same turn. */
  add(piece: Buffer): void {
    this.#turn.push(piece)
    this.#turnBytes += piece.length
    this.#end += piece.length
  }

  /** Keeps what was added since the last time. */
  endTurn(): void {
    if (this.#turnBytes === 0) return
    const bytes = joined(this.#turn, this.#turnBytes)
    this.#turn = []
    this.#turnBytes = 0
    if (isWorthItsMemory(bytes)) this.#push(bytes, bytes.length)
    else this.#copy(bytes)
    this.#trim()
  }

  /** Kept bytes from `offset` on, as many as lie together, at most {@link LARGEST_BLOCK}; undefined at the end. */
  from(offset: number): Buffer | undefined {
    const block = this.#blockAt(offset)
    if (block === undefined) return undefined
    const at = offset - block.start
    return at >= block.used ? undefined : block.bytes.subarray(at, Math.min(block.used, at + LARGEST_BLOCK))
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
    for (const block of this.#blocks) this.#onHeld(-block.bytes.buffer.byteLength)
    this.#blocks = []
    this.#turn = []
    this.#turnBytes = 0
  }

  #blockAt(offset: number): Block | undefined {
    // Nearly always the last one.
    for (let i = this.#blocks.length - 1; i >= 0; i--) {
      const block = this.#blocks[i]
      if (block !== undefined && block.start <= offset) return block
    }
    return undefined
  }

  #copy(bytes: Buffer): void {
    let start = this.#end - bytes.length
    for (let at = 0; at < bytes.length; ) {
      const block = this.#openBlock(start, bytes.length - at)
      const copied = Math.min(bytes.length - at, block.bytes.length - block.used)
      block.bytes.set(copied === bytes.length ? bytes : bytes.subarray(at, at + copied), block.used)
      block.used += copied
      at += copied
      start += copied
    }
  }

  #openBlock(start: number, wanted: number): Block {
    const last = this.#blocks.at(-1)
    if (last !== undefined && last.used < last.bytes.length) return last
    const size = Math.min(LARGEST_BLOCK, Math.max(SMALLEST_BLOCK, wanted, start))
    return this.#push(Buffer.allocUnsafeSlow(size), 0, start)
  }

  #push(bytes: Buffer, used: number, start: number = this.#end - used): Block {
    const block = { start, bytes, used }
    this.#blocks.push(block)
    this.#onHeld(bytes.buffer.byteLength)
    return block
  }

  #trim(): void {
    if (this.#end <= this.#kept.whole && !this.#isTight) return
    const needed = this.#handedOn - (this.#isTight ? this.#kept.behindTight : this.#kept.behind)
    const keep = this.#blocks.findIndex(({ start, used }) => start + used > needed)
    const dropped = this.#blocks.splice(0, keep === -1 ? this.#blocks.length : keep)
    for (const block of dropped) this.#onHeld(-block.bytes.buffer.byteLength)
  }
}

const isWorthItsMemory = ({ length, buffer }: Buffer): boolean =>
  length >= KEPT_AS_IT_IS && buffer.byteLength <= 1.5 * length
