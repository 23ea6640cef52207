import type { ServerResponse } from 'node:http'
import { resetSocket } from '@llm-ferry/kit'
import type { FerryError } from '@llm-ferry/sdk'
import type { Output } from './answer.ts'
import { refuse } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { joined } from './joined.ts'
import { readAway } from './linger.ts'

/** What a copy needs of the side that it copies from. */
export interface Source {
  pause(): void
  resume(): void
}

/**
 * Copies a vendor's answer to the caller: pieces that one socket read brought go out in one write, an answer that is
 * there in one piece in one call, and a caller that reads slowly pauses the vendor.
 */
export class Copy implements Output {
  readonly #exchange: Exchange
  readonly #response: ServerResponse
  readonly #stallMs: number
  #source: Source | undefined
  #length = -1
  #queue: Buffer[] | undefined
  #queuedBytes = 0
  #last: Buffer | undefined
  #trailers: [string, string][] | undefined
  #ending = false
  #finished = false
  #waiting = false
  #stallTimer: NodeJS.Timeout | undefined

  /**
   * @param stallMs how long the caller may leave what was written unread, before it counts as gone.
   */
  constructor(exchange: Exchange, stallMs: number) {
    this.#exchange = exchange
    this.#response = exchange.response
    this.#stallMs = stallMs
  }

  /** Whether the head is out. */
  get hasHead(): boolean {
    return this.#response.headersSent
  }

  /**
   * Sends the head: with the body's first bytes when these are there in the same turn, else alone.
   *
   * @param reason reason phrase, passed on as it is.
   * @param length Content-Length, or -1.
   */
  head(status: number, reason: string, headers: string[], length: number): void {
    this.#length = length
    const response = this.#response
    // An answer that overtakes the request's body: how much of it still comes is not known, so the connection ends.
    if (!this.#exchange.request.complete) response.shouldKeepAlive = false
    response.sendDate = false
    if (/^[\x20-\x7e]*$/.test(reason)) response.writeHead(status, reason, headers)
    else response.writeHead(status, headers)
    process.nextTick(flush, this)
  }

  data(chunk: Buffer, source: Source): void {
    if (chunk.length === this.#length) {
      this.#finish(chunk)
      return
    }
    this.#source = source
    this.#queuedBytes += chunk.length
    if (this.#queue !== undefined) {
      this.#queue.push(chunk)
      return
    }
    this.#queue = [chunk]
    process.nextTick(flush, this)
  }

  /** The answer is whole. */
  end(trailers?: [string, string][] | undefined): void {
    if (this.#ending) return
    this.#trailers = trailers
    if (this.#queue === undefined) this.#finish()
    else this.#ending = true
  }

  /**
   * Sends what is queued and tells the caller that the rest will not come.
   *
   * @param event makes the vendor's own error event from the last bytes that were sent; absent where none fits.
   */
  breakOff(event: ((tail: string) => string) | undefined): void {
    this.#ending = false
    this.flush()
    this.stop()
    const response = this.#response
    const tail = this.#last?.toString('latin1') ?? ''
    if (event === undefined || !response.chunkedEncoding || !endsAnEvent(tail)) {
      // Not in this turn, in which the last bytes still wait to be written.
      setImmediate(() => this.#cut())
      return
    }
    // Whoever does not read the event is cut all the same.
    const timer = setTimeout(() => response.destroy(), 1000)
    response.write(event(tail), () => {
      clearTimeout(timer)
      response.destroy()
    })
  }

  refuse(error: FerryError): void {
    refuse(this.#exchange, error)
  }

  /** Drops the timers; the answer is over. */
  stop(): void {
    clearTimeout(this.#stallTimer)
  }

  /** Writes what is queued, or the head when nothing is. */
  flush(): void {
    const response = this.#response
    if (response.destroyed || response.writableEnded || this.#finished) return
    const chunk = this.#takeQueue()
    if (chunk === undefined) response.flushHeaders()
    else if (this.#ending) this.#finish(chunk)
    else if (!response.write(chunk)) this.#wait()
  }

  #takeQueue(): Buffer | undefined {
    const queue = this.#queue
    if (queue === undefined) return undefined
    const chunk = joined(queue, this.#queuedBytes)
    this.#queue = undefined
    this.#queuedBytes = 0
    // Large reads are let go: one of 64 KiB behind each waiting stream would be all its memory.
    this.#last = chunk.length > TAIL_BYTES ? Buffer.from(chunk.subarray(-TAIL_BYTES)) : chunk
    return chunk
  }

  #finish(chunk?: Buffer): void {
    this.#ending = true
    this.#finished = true
    const response = this.#response
    if (this.#trailers !== undefined && response.chunkedEncoding) response.addTrailers(this.#trailers)
    if (this.#exchange.request.complete) response.end(chunk)
    else this.#endWithRequest(chunk)
    if (response.writableLength > UNREAD_BYTES) this.#watchCaller()
  }

  #endWithRequest(chunk: Buffer | undefined): void {
    const response = this.#response
    if (chunk === undefined) response.flushHeaders()
    else response.write(chunk)
    readAway(this.#exchange.request, () => response.end())
  }

  #wait(): void {
    this.#source?.pause()
    if (this.#waiting) return
    this.#waiting = true
    this.#watchCaller()
    this.#response.once('drain', () => {
      this.#waiting = false
      clearTimeout(this.#stallTimer)
      this.#source?.resume()
    })
  }

  #watchCaller(): void {
    if (this.#stallTimer === undefined) this.#response.once('close', () => this.stop())
    clearTimeout(this.#stallTimer)
    this.#stallTimer = setTimeout(() => this.#stalled(), this.#stallMs)
  }

  #stalled(): void {
    const { abort } = this.#exchange
    if (abort !== undefined) {
      abort('client_stalled')
      return
    }
    // The vendor is done, and the caller leaves the end of its answer unread.
    this.#exchange.outcome ??= 'client_stalled'
    this.#cut()
  }

  /** Ends the connection so that what was sent cannot be taken for a whole answer. */
  #cut(): void {
    const { socket, chunkedEncoding } = this.#response
    // Length and chunks betray a missing rest. A caller that reads up to the close has only a reset to tell by.
    if (socket === null || chunkedEncoding || this.#length !== -1) this.#response.destroy()
    else resetSocket(socket)
  }
}

/** Unread answers from this size on are watched after their end; smaller ones are in the kernel. */
const UNREAD_BYTES = 16_384

/** Enough of a stream's end to find the number of its last event. */
const TAIL_BYTES = 2048

const flush = (copy: Copy): void => copy.flush()

// Nothing sent yet is as good as the end of an event.
const endsAnEvent = (tail: string): boolean => tail === '' || tail.endsWith('\n\n') || tail.endsWith('\r\n\r\n')
