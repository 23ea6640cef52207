import type { ServerResponse } from 'node:http'
import { HEADERS } from '@llm-ferry/sdk'
import { encodeFrame, type HeadFrame, LINK_HEADERS, Packer, type Packing } from '@llm-ferry/sdk/link/wire'
import { headerValue } from '../headers.ts'
import type { AnswerHead, Ending, Reader } from './durable-exchange.ts'
import type { LoadGate } from './load-gate.ts'
import type { LinkMeters } from './meters.ts'
import { SocketWatch } from './socket-watch.ts'

/** What a framed answer needs to know. */
export interface FramedOptions {
  readonly requestId: string
  /** Longest silence between two frames, in ms. */
  readonly heartbeatMs: number
  /** How long the caller may leave what was written unread, in ms. */
  readonly stallMs: number
  /** How the caller wants its frames packed; absent: not at all. */
  readonly packing: Packing | undefined
  /** Whether later requests may build on this one's body. */
  readonly isKept: boolean
  /** Closed while this process has no time to pack. */
  readonly gate: LoadGate
  readonly meters: LinkMeters
}

const HEARTBEAT = encodeFrame.heartbeat()

/** From this size on a second piece to write costs less than a copy. */
const NOT_COPIED_BYTES = 8192

/** Carries an answer in frames: its head goes out at once, and heartbeats in every silence. */
export class FramedReader implements Reader {
  readonly #response: ServerResponse
  readonly #watch: SocketWatch
  readonly #heartbeat: NodeJS.Timeout
  readonly #gate: LoadGate
  readonly #meters: LinkMeters
  readonly #packer: Packer | undefined
  readonly #pack: (piece: Buffer) => Buffer
  /** Whether the vendor's bytes are worth it. */
  #isPackable = false

  constructor(response: ServerResponse, options: FramedOptions) {
    const { requestId, heartbeatMs, stallMs, packing, isKept, gate, meters } = options
    this.#response = response
    this.#gate = gate
    this.#meters = meters
    this.#watch = new SocketWatch(response, stallMs)
    const packer = packing === undefined ? undefined : new Packer(packing)
    this.#packer = packer
    this.#pack = (piece) => packer?.pack(piece) ?? piece
    response.sendDate = false
    response.writeHead(200, [
      ...['content-type', 'application/x-ferry-frames', 'cache-control', 'no-store', 'x-accel-buffering', 'no'],
      ...[LINK_HEADERS.frames, '1', LINK_HEADERS.heartbeat, String(heartbeatMs), HEADERS.requestId, requestId],
      ...(packing === undefined ? [] : [LINK_HEADERS.pack, packing]),
      ...(isKept ? [LINK_HEADERS.keep, '1'] : []),
    ])
    response.write(HEARTBEAT)
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs)
    response.once('close', () => this.#close())
  }

  head({ status, reason, headers }: AnswerHead, offset: number): void {
    const head: HeadFrame = { status, reason, headers, offset }
    this.#isPackable = isPackable(headers)
    this.#write(this.#packs ? encodeFrame.packedHead(head, this.#pack) : encodeFrame.head(head))
  }

  data(bytes: Buffer): boolean {
    if (this.#packs && this.#isPackable) return this.#send(bytes, encodeFrame.packedData(bytes, this.#pack))
    if (bytes.length < NOT_COPIED_BYTES) return this.#send(bytes, encodeFrame.data(bytes))
    const prefix = encodeFrame.dataPrefix(bytes.length)
    this.#response.write(prefix)
    this.#meters.sent(0, prefix.length)
    return this.#send(bytes, bytes)
  }

  end(ending: Ending): void {
    this.#close()
    const { code, message, bytes, trailers } = { code: undefined, message: '', bytes: 0, trailers: [], ...ending }
    this.#response.end(code === undefined ? encodeFrame.end({ bytes, trailers }) : encodeFrame.abort({ code, message }))
    this.#watch.ended()
  }

  get #packs(): boolean {
    return this.#packer !== undefined && this.#gate.isOpen && !this.#response.destroyed
  }

  #send(bytes: Buffer, frames: Buffer): boolean {
    this.#meters.sent(bytes.length, frames.length)
    return this.#write(frames)
  }

  #write(frame: Buffer): boolean {
    this.#heartbeat.refresh()
    return this.#watch.wrote(this.#response.write(frame))
  }

  #beat(): void {
    if (!this.#watch.isBlocked) this.#response.write(HEARTBEAT)
  }

  #close(): void {
    clearInterval(this.#heartbeat)
    this.#packer?.close()
  }
}

/** Whether a body is text that nobody has compressed yet. */
function isPackable(headers: readonly string[]): boolean {
  const coding = headerValue(headers, 'content-encoding') ?? 'identity'
  return coding === 'identity' && /json|^text\/|xml/i.test(headerValue(headers, 'content-type') ?? '')
}
