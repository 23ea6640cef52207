import { createHash } from 'node:crypto'

/** A WebSocket frame (RFC 6455 section 5). */
export interface Frame {
  readonly opcode: number
  readonly fin: boolean
  readonly payload: Buffer
}

export const TEXT = 1
export const BINARY = 2
export const CLOSE = 8
export const PING = 9
export const PONG = 10

const MASK = Buffer.from([1, 2, 3, 4])

/** A frame's bytes; callers mask, vendors do not. */
export function frame(opcode: number, data: Buffer | string, { masked = false, fin = true } = {}): Buffer {
  const payload = Buffer.from(data)
  const { length } = payload
  const size = length < 126 ? 0 : length < 65536 ? 2 : 8
  const head = Buffer.alloc(2 + size)
  head[0] = (fin ? 0x80 : 0) | opcode
  head[1] = (masked ? 0x80 : 0) | (size === 0 ? length : size === 2 ? 126 : 127)
  if (size === 2) head.writeUInt16BE(length, 2)
  if (size === 8) head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat(masked ? [head, MASK, masking(payload)] : [head, payload])
}

/** A close frame. */
export function closeFrame(code: number, reason: string, masked = false): Buffer {
  const payload = Buffer.alloc(2)
  payload.writeUInt16BE(code)
  return frame(CLOSE, Buffer.concat([payload, Buffer.from(reason)]), { masked })
}

const masking = (payload: Buffer): Buffer => {
  const bytes = Buffer.from(payload)
  for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) ^ (MASK[at % 4] ?? 0)
  return bytes
}

/** The whole frames at the start of some bytes, unmasked. */
export function readFrames(bytes: Buffer): readonly Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at + 2 <= bytes.length; ) {
    const [first = 0, second = 0] = bytes.subarray(at)
    const short = second & 0x7f
    const size = short === 126 ? 2 : short === 127 ? 8 : 0
    if (at + 2 + size > bytes.length) break
    const length = size === 0 ? short : size === 2 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    const masked = (second & 0x80) !== 0
    const start = at + 2 + size + (masked ? 4 : 0)
    if (start + length > bytes.length) break
    const payload = Buffer.from(bytes.subarray(start, start + length))
    if (masked) for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[start - 4 + (i % 4)] ?? 0)
    frames.push({ opcode: first & 0x0f, fin: (first & 0x80) !== 0, payload })
    at = start + length
  }
  return frames
}

/** What a server answers to Sec-WebSocket-Key. */
export const acceptKey = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
