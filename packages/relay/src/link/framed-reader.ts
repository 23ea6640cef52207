import type { ServerResponse } from 'node:http'
import { HEADERS } from '@llm-ferry/sdk'
import { encodeFrame, LINK_HEADERS } from '@llm-ferry/sdk/link/wire'
import type { AnswerHead, Ending, Reader } from './durable-exchange.ts'
import { SocketWatch } from './socket-watch.ts'

/** What a framed answer needs to know. */
export interface FramedOptions {
  readonly requestId: string
  /** Longest silence between two frames, in ms. */
  readonly heartbeatMs: number
  /** How long the caller may leave what was written unread, in ms. */
  readonly stallMs: number
}

const HEARTBEAT = encodeFrame.heartbeat()

/** Carries an answer in frames: its head goes out at once, and heartbeats in every silence. */
export class FramedReader implements Reader {
  readonly #response: ServerResponse
  readonly #watch: SocketWatch
  readonly #heartbeat: NodeJS.Timeout

  constructor(response: ServerResponse, { requestId, heartbeatMs, stallMs }: FramedOptions) {
    this.#response = response
    this.#watch = new SocketWatch(response, stallMs)
    response.sendDate = false
    response.writeHead(200, [
      ...['content-type', 'application/x-ferry-frames', 'cache-control', 'no-store', 'x-accel-buffering', 'no'],
      ...[LINK_HEADERS.frames, '1', LINK_HEADERS.heartbeat, String(heartbeatMs), HEADERS.requestId, requestId],
    ])
    response.write(HEARTBEAT)
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs)
    response.once('close', () => clearInterval(this.#heartbeat))
  }

  head({ status, reason, headers }: AnswerHead, offset: number): void {
    this.#write(encodeFrame.head({ status, reason, headers, offset }))
  }

  data(bytes: Buffer): boolean {
    return this.#write(encodeFrame.data(bytes))
  }

  end(ending: Ending): void {
    clearInterval(this.#heartbeat)
    const { code, message, bytes, trailers } = { code: undefined, message: '', bytes: 0, trailers: [], ...ending }
    this.#response.end(code === undefined ? encodeFrame.end({ bytes, trailers }) : encodeFrame.abort({ code, message }))
    this.#watch.ended()
  }

  #write(frame: Buffer): boolean {
    this.#heartbeat.refresh()
    return this.#watch.wrote(this.#response.write(frame))
  }

  #beat(): void {
    if (!this.#watch.isBlocked) this.#response.write(HEARTBEAT)
  }
}
