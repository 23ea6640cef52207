import type { Duplex } from 'node:stream'
import { Frames } from './frames.ts'

/** What a lane reports. */
export interface LaneEvents {
  /** Bytes went through. */
  moved(bytes: number): void
  /** The sender has said its last. */
  ended(): void
  /** The receiver has left what was written unread for too long. */
  stalled(): void
}

/** One direction of an open WebSocket: bytes pass as they are, and a receiver that reads slowly pauses the sender. */
export class Lane {
  readonly frames: Frames = new Frames()
  readonly #from: Duplex
  readonly #to: Duplex
  readonly #stallMs: number
  readonly #events: LaneEvents
  #stallTimer: NodeJS.Timeout | undefined
  #lastWords: Buffer | undefined

  constructor(from: Duplex, to: Duplex, stallMs: number, events: LaneEvents) {
    this.#from = from
    this.#to = to
    this.#stallMs = stallMs
    this.#events = events
  }

  /** Begins to pass bytes. */
  start(): void {
    this.#to.on('drain', () => {
      clearTimeout(this.#stallTimer)
      this.#from.resume()
    })
    this.#from.on('data', this.#pass)
    this.#from.once('end', () => this.#events.ended())
    this.#from.resume()
  }

  /** Passes nothing more. */
  stop(): void {
    clearTimeout(this.#stallTimer)
    this.#from.off('data', this.#pass)
  }

  /** Passes no more than the frame that is under way, then `words`, and ends. */
  finishWith(words: Buffer): void {
    this.#lastWords = words
    if (this.frames.isBetween) this.#end(Buffer.alloc(0), words)
  }

  readonly #pass = (chunk: Buffer): void => {
    const boundary = this.frames.push(chunk)
    this.#events.moved(chunk.length)
    if (this.#lastWords !== undefined && boundary !== -1) {
      this.#end(chunk.subarray(0, boundary), this.#lastWords)
      return
    }
    if (!this.#to.writable || this.#to.write(chunk)) return
    this.#from.pause()
    this.#stallTimer = setTimeout(() => this.#events.stalled(), this.#stallMs)
  }

  #end(rest: Buffer, words: Buffer): void {
    this.stop()
    // A Close frame of the sender's own has been the last word already.
    this.#to.end(this.frames.closeCode === undefined ? Buffer.concat([rest, words]) : rest)
  }
}
