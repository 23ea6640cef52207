import { type ErrorCode, isErrorCode } from '../../schema/errors.ts'
import { MAX_PACKED_BYTES, type Packing, Unpacker } from './packing.ts'

/** Head of an answer: the vendor's, or that of an error which the relay made. */
export interface HeadFrame {
  readonly status: number
  readonly reason: string
  /** Names and values alternating. */
  readonly headers: readonly string[]
  /** Byte of the body that the data frames of this carrier begin at. */
  readonly offset: number
}

/** The answer is complete. */
export interface EndFrame {
  /** Length of the whole body in bytes. */
  readonly bytes: number
  /** Names and values alternating. */
  readonly trailers: readonly string[]
}

/** The answer will not become complete. */
export interface AbortFrame {
  readonly code: ErrorCode
  readonly message: string
}

/** One frame of an answer. */
export type Frame =
  | { readonly type: 'head'; readonly head: HeadFrame }
  | { readonly type: 'data'; readonly bytes: Buffer }
  | { readonly type: 'heartbeat' }
  | { readonly type: 'end'; readonly end: EndFrame }
  | { readonly type: 'abort'; readonly abort: AbortFrame }

const TYPE = { head: 1, data: 2, heartbeat: 3, end: 4, abort: 5, packedHead: 6, packedData: 7 } as const

/** Bytes before a frame's payload: one of type, three of length. */
const PREFIX = 4

/** In the type's place: packed data of as many bytes as the other seven bits say. An event of a stream is 10 to 30. */
const SHORT = 0x80

/** Largest payload. */
export const MAX_FRAME_BYTES = 1 << 20

/** Bytes that are no frames. */
export class FrameError extends Error {}

function frame(type: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX + payload.length)
  writePrefix(bytes, type, payload.length)
  payload.copy(bytes, PREFIX)
  return bytes
}

function writePrefix(bytes: Buffer, type: number, length: number): void {
  if (length > MAX_FRAME_BYTES) throw new FrameError(`a frame of ${length} bytes is too large`)
  bytes.writeUInt32BE(type * 2 ** 24 + length)
}

const json = (type: number, value: HeadFrame | EndFrame | AbortFrame): Buffer =>
  frame(type, Buffer.from(JSON.stringify(value)))

function shortFrame(payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(1 + payload.length)
  bytes[0] = SHORT | payload.length
  payload.copy(bytes, 1)
  return bytes
}

/** A frame as it goes over the wire. */
export const encodeFrame = {
  head: (head: HeadFrame): Buffer => json(TYPE.head, head),
  data: (bytes: Buffer): Buffer => frame(TYPE.data, bytes),
  /** What comes before so many bytes of data; they follow as they are, without a copy. */
  dataPrefix(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(PREFIX)
    writePrefix(bytes, TYPE.data, length)
    return bytes
  },
  heartbeat: (): Buffer => frame(TYPE.heartbeat, Buffer.alloc(0)),
  end: (end: EndFrame): Buffer => json(TYPE.end, end),
  abort: (abort: AbortFrame): Buffer => json(TYPE.abort, abort),
  /** A head or data that went through `pack`. Data of more than {@link MAX_PACKED_BYTES} takes several frames. */
  packedHead(head: HeadFrame, pack: (piece: Buffer) => Buffer): Buffer {
    const text = Buffer.from(JSON.stringify(head))
    return text.length > MAX_PACKED_BYTES ? frame(TYPE.head, text) : frame(TYPE.packedHead, pack(text))
  },
  packedData(bytes: Buffer, pack: (piece: Buffer) => Buffer): Buffer {
    if (bytes.length <= MAX_PACKED_BYTES) return packedFrame(pack(bytes))
    const frames: Buffer[] = []
    for (let at = 0; at < bytes.length; at += MAX_PACKED_BYTES) {
      frames.push(packedFrame(pack(bytes.subarray(at, at + MAX_PACKED_BYTES))))
    }
    return Buffer.concat(frames)
  },
} as const

const packedFrame = (payload: Buffer): Buffer =>
  payload.length < SHORT ? shortFrame(payload) : frame(TYPE.packedData, payload)

/**
 * Cuts a byte stream into frames, wherever its pieces begin and end. Data is given on as it comes, in as many pieces: what
 * a connection brought before it broke need not come again.
 */
export class FrameDecoder {
  readonly #unpacker: Unpacker | undefined
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of a data frame that have still to come. */
  #dataLeft = 0
  /** What the packed data frame that is coming may still stand for; undefined while a plain one comes. */
  #room: number | undefined

  /** @param packing how frames may be packed, as the answer's head says; absent: not at all. */
  constructor(packing?: Packing) {
    this.#unpacker = packing === undefined ? undefined : new Unpacker(packing)
  }

  /**
   * The frames that this piece completes, and the data that it brings.
   *
   * @throws {FrameError} for what is no frame; nothing after it can be read.
   */
  push(piece: Buffer): Frame[] {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    const frames: Frame[] = []
    let at = 0
    for (let used = -1; used !== 0; at += used) used = this.#take(bytes.subarray(at), frames)
    this.#rest = bytes.subarray(at)
    return frames
  }

  /** Nothing more is pushed. */
  close(): void {
    this.#unpacker?.close()
  }

  /** Reads one thing from the front and returns its length; 0 when more bytes are needed. */
  #take(bytes: Buffer, frames: Frame[]): number {
    if (this.#dataLeft > 0) return this.#takeData(bytes, frames)
    const [type = 0] = bytes
    if (type >= SHORT) return this.#expectData(type - SHORT, MAX_PACKED_BYTES, 1)
    if (bytes.length < PREFIX) return 0
    const length = payloadLength(bytes)
    if (type === TYPE.data) return this.#expectData(length, undefined, PREFIX)
    if (type === TYPE.packedData) return this.#expectData(length, MAX_PACKED_BYTES, PREFIX)
    const end = PREFIX + length
    if (end > bytes.length) return 0
    const payload = bytes.subarray(PREFIX, end)
    if (type === TYPE.packedHead) frames.push(decode(TYPE.head, this.#unpack(payload, MAX_PACKED_BYTES)))
    else frames.push(decode(type, payload))
    return end
  }

  #expectData(length: number, room: number | undefined, prefix: number): number {
    this.#dataLeft = length
    this.#room = room
    return prefix
  }

  #takeData(bytes: Buffer, frames: Frame[]): number {
    const come = bytes.subarray(0, this.#dataLeft)
    if (come.length === 0) return 0
    this.#dataLeft -= come.length
    const data = this.#room === undefined ? come : this.#unpack(come, this.#room)
    if (this.#room !== undefined) this.#room -= data.length
    if (data.length > 0) frames.push({ type: 'data', bytes: data })
    return come.length
  }

  #unpack(bytes: Buffer, room: number): Buffer {
    if (this.#unpacker === undefined) throw new FrameError('a frame is packed, which was not agreed')
    try {
      return this.#unpacker.unpack(bytes, room)
    } catch (cause) {
      throw new FrameError('a packed frame cannot be unpacked', { cause })
    }
  }
}

function payloadLength(bytes: Buffer): number {
  const length = bytes.readUIntBE(1, 3)
  if (length > MAX_FRAME_BYTES) throw new FrameError(`a frame claims ${length} bytes`)
  return length
}

function decode(type: number, payload: Buffer): Frame {
  switch (type) {
    case TYPE.heartbeat:
      return { type: 'heartbeat' }
    case TYPE.head:
      return { type: 'head', head: headOf(parse(payload)) }
    case TYPE.end:
      return { type: 'end', end: endOf(parse(payload)) }
    case TYPE.abort:
      return { type: 'abort', abort: abortOf(parse(payload)) }
    default:
      throw new FrameError(`there is no frame of type ${type}`)
  }
}

type Fields = Readonly<Record<string, unknown>>

function parse(payload: Buffer): Fields {
  try {
    const value: unknown = JSON.parse(payload.toString())
    if (typeof value === 'object' && value !== null) return value as Fields
  } catch {
    // Falls through: text and non-objects are the same fault.
  }
  throw new FrameError('a frame is not JSON')
}

function headOf({ status, reason, headers, offset }: Fields): HeadFrame {
  if (!isCount(status) || status < 200 || status > 599 || typeof reason !== 'string' || !isCount(offset)) {
    throw new FrameError('a head frame lacks its fields')
  }
  return { status, reason, headers: pairs(headers), offset }
}

function endOf({ bytes, trailers }: Fields): EndFrame {
  if (!isCount(bytes)) throw new FrameError('an end frame lacks its length')
  return { bytes, trailers: pairs(trailers) }
}

function abortOf({ code, message }: Fields): AbortFrame {
  return { code: isErrorCode(code) ? code : 'upstream_invalid', message: String(message) }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function pairs(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.length % 2 === 0 && value.every((part) => typeof part === 'string')) return value
  throw new FrameError('a frame has headers that are none')
}
