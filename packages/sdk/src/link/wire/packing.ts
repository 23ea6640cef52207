import { constants, createDeflateRaw, createInflateRaw, type ZlibOptions } from 'node:zlib'
import { PRESET, PRESET_HASH } from './preset.ts'
import { type SyncZlib, SyncZlibs } from './sync-zlib.ts'

/** How the frames of one carrier are packed: the value of x-ferry-pack. The hash is that of the preset text. */
export type Packing = `deflate.${string}` | 'deflate'

const WITH_PRESET: Packing = `deflate.${PRESET_HASH}`

/** Most bytes that one packed frame stands for. */
export const MAX_PACKED_BYTES = 65_536

/**
 * 126 KiB a packer, and within a percent of what twice as much would save. From level 4 on every byte of a repeated event is
 * noted, for twice the time and a byte or two an event.
 */
const OPTIONS: ZlibOptions = { windowBits: 13, memLevel: 6, level: 3, chunkSize: 64 }

// All contexts work one after the other.
const packed = Buffer.allocUnsafeSlow(2 * MAX_PACKED_BYTES)
const unpacked = Buffer.allocUnsafeSlow(MAX_PACKED_BYTES + 1)

/** The packing to use of those that a caller understands (a list with commas), undefined for none. */
export function choosePacking(understood: string | undefined): Packing | undefined {
  if (understood === undefined || !canPack()) return undefined
  const names = understood.split(',').map((name) => name.trim())
  return [WITH_PRESET, 'deflate' as const].find((name) => names.includes(name))
}

/** What this end understands, best first; undefined where its runtime cannot. */
export const understoodPackings = (): string | undefined => (canPack() ? `${WITH_PRESET}, deflate` : undefined)

const WITH_DICTIONARY: ZlibOptions = { ...OPTIONS, dictionary: PRESET }

/** Most contexts of a kind that are kept for later: 2 MiB of packers. */
const MOST_SPARE = 16

const packers = {
  preset: new SyncZlibs(() => createDeflateRaw(WITH_DICTIONARY), MOST_SPARE),
  plain: new SyncZlibs(() => createDeflateRaw(OPTIONS), MOST_SPARE),
}
const unpackers = {
  preset: new SyncZlibs(() => createInflateRaw(WITH_DICTIONARY), MOST_SPARE),
  plain: new SyncZlibs(() => createInflateRaw(OPTIONS), MOST_SPARE),
}

const kindOf = (packing: Packing): keyof typeof packers => (packing === WITH_PRESET ? 'preset' : 'plain')

/** Packs the pieces of one carrier; each can be unpacked as soon as it has come. */
export class Packer {
  readonly #contexts: SyncZlibs
  #codec: SyncZlib | undefined
  #isClosed = false

  constructor(packing: Packing) {
    this.#contexts = packers[kindOf(packing)]
  }

  /** One piece of at most {@link MAX_PACKED_BYTES}. The result is overwritten by the next call of any packer. */
  pack(piece: Buffer): Buffer {
    if (this.#isClosed || piece.length > MAX_PACKED_BYTES) throw new RangeError('a piece cannot be packed')
    this.#codec ??= this.#contexts.take()
    // Ten bits where a full flush takes five bytes.
    return packed.subarray(0, this.#codec.run(constants.Z_PARTIAL_FLUSH, piece, packed))
  }

  /** Gives its memory back; again is harmless. */
  close(): void {
    this.#isClosed = true
    if (this.#codec !== undefined) this.#contexts.give(this.#codec)
    this.#codec = undefined
  }
}

/** Undoes what a {@link Packer} did. */
export class Unpacker {
  readonly #contexts: SyncZlibs
  #codec: SyncZlib | undefined
  #isClosed = false

  constructor(packing: Packing) {
    this.#contexts = unpackers[kindOf(packing)]
  }

  /**
   * What these bytes stand for, as far as it can be told yet.
   *
   * @param room the most that it may be.
   * @throws for bytes that are not packed, or stand for more than `room`.
   */
  unpack(bytes: Buffer, room: number): Buffer {
    if (this.#isClosed) throw new RangeError('a piece cannot be unpacked')
    this.#codec ??= this.#contexts.take()
    // One byte too much tells that there is more.
    const length = this.#codec.run(constants.Z_SYNC_FLUSH, bytes, unpacked.subarray(0, room + 1))
    if (length > room) throw new RangeError('a packed frame stands for more than it may')
    return Buffer.from(unpacked.subarray(0, length))
  }

  /** Gives its memory back; again is harmless. */
  close(): void {
    this.#isClosed = true
    if (this.#codec !== undefined) this.#contexts.give(this.#codec)
    this.#codec = undefined
  }
}

let isAble: boolean | undefined

/** Whether this runtime lets us pack in place: tried once, since Node documents no such thing. */
function canPack(): boolean {
  isAble ??= tryPacking()
  return isAble
}

function tryPacking(): boolean {
  const packer = new Packer(WITH_PRESET)
  const unpacker = new Unpacker(WITH_PRESET)
  try {
    const pieces = ['data: {"id":', 'ferry'.repeat(9), '渡'].map((text) => Buffer.from(text))
    return pieces.every((piece) => unpacker.unpack(packer.pack(piece), piece.length).equals(piece))
  } catch {
    return false
  } finally {
    packer.close()
    unpacker.close()
  }
}
