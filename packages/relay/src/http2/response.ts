import { EventEmitter } from 'node:events'
import type { OutgoingHttpHeaders } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'

// RFC 9113, 8.2.2: HTTP/2 has no headers about the connection.
const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

/** How long a caller may go on sending after its answer is out. */
const LINGER_MS = 2000

/**
 * A response on an HTTP/2 stream, as the HTTP/1.1 pipeline sees responses. What is destroyed before its end is reset with
 * an error code: END_STREAM, or a reset without an error, would make half an answer look whole (RFC 9113, 8.1).
 */
export class Http2Response extends EventEmitter {
  /** Whether a missing end can be seen; in HTTP/2 always. */
  readonly chunkedEncoding: boolean = true
  /** Means nothing here: the session tells its caller when it goes away. */
  shouldKeepAlive = true
  sendDate = true
  statusCode = 200
  readonly socket: Socket
  readonly #stream: ServerHttp2Stream
  #headers: [string, string][] = []
  #trailers: [string, string][] = []
  #ended = false
  #destroyed = false

  constructor(stream: ServerHttp2Stream, socket: Socket) {
    super()
    this.#stream = stream
    this.socket = socket
    stream.on('drain', () => this.emit('drain'))
    stream.on('finish', () => this.emit('finish'))
    stream.on('error', () => {})
    stream.once('close', () => this.emit('close'))
    stream.once('finish', () => this.#stopCaller())
    stream.once('wantTrailers', () => stream.sendTrailers(Object.fromEntries(this.#trailers)))
  }

  get headersSent(): boolean {
    return this.#stream.headersSent
  }

  get destroyed(): boolean {
    return this.#destroyed || this.#stream.destroyed || this.#stream.closed
  }

  get writableEnded(): boolean {
    return this.#ended
  }

  /** Whether the caller has been sent everything, as far as can be known. */
  get writableFinished(): boolean {
    const { aborted, rstCode, writableFinished } = this.#stream
    return this.#ended && !this.#destroyed && !aborted && rstCode === constants.NGHTTP2_NO_ERROR && writableFinished
  }

  get writableLength(): number {
    return this.#stream.writableLength
  }

  /** Takes the head; it goes out with the first bytes, or with {@link flushHeaders}. */
  writeHead(status: number, ...rest: readonly unknown[]): this {
    this.statusCode = status
    this.#headers = pairs(rest.at(-1)).filter(([name]) => !CONNECTION_HEADERS.has(name))
    return this
  }

  writeContinue(): void {
    if (!this.destroyed) this.#stream.additionalHeaders({ ':status': 100 })
  }

  addTrailers(trailers: [string, string][]): void {
    this.#trailers = trailers.map(([name, value]) => [name.toLowerCase(), value])
  }

  flushHeaders(): void {
    this.#respond(false)
  }

  write(chunk: Buffer | string, done?: (error?: Error | null) => void): boolean {
    this.#respond(false)
    if (this.destroyed) return false
    return done === undefined ? this.#stream.write(chunk) : this.#stream.write(chunk, done)
  }

  end(chunk?: Buffer | string): this {
    if (this.#ended) return this
    this.#ended = true
    const isEmpty = chunk === undefined || chunk.length === 0
    this.#respond(isEmpty && this.#trailers.length === 0)
    if (this.destroyed) return this
    if (isEmpty) this.#stream.end()
    else this.#stream.end(chunk)
    return this
  }

  destroy(): this {
    if (this.destroyed) return this
    this.#destroyed = true
    // With an error: close() would send END_STREAM in front of the reset.
    this.#stream.destroy(new Error('the answer broke off'))
    return this
  }

  /** Asks a caller that still sends to stop, once its answer is out (RFC 9113, 8.1). */
  #stopCaller(): void {
    const stream = this.#stream
    if (stream.readableEnded || stream.destroyed) return
    const stop = (): void => {
      if (stream.destroyed) return
      // What the caller's window has held back so far would be lost, and must be missed.
      if (stream.state.localClose === 1) stream.close(constants.NGHTTP2_NO_ERROR)
      else this.destroy()
    }
    const timer = setTimeout(stop, LINGER_MS)
    stream.once('close', () => clearTimeout(timer))
  }

  #respond(endStream: boolean): void {
    const stream = this.#stream
    if (stream.headersSent || this.destroyed) return
    const date: [string, string][] = this.sendDate ? [['date', new Date().toUTCString()]] : []
    // Trailers are known with the last byte, that they may come is said with the head.
    const waitForTrailers = !endStream && !this.#headers.some(([name]) => name === 'content-length')
    const options = { endStream, waitForTrailers, sendDate: false }
    stream.respond(joined(this.statusCode, [...date, ...this.#headers]), options)
  }
}

/** Flat lists and objects, as writeHead takes both. */
function pairs(headers: unknown): [string, string][] {
  if (!Array.isArray(headers)) {
    return Object.entries((headers ?? {}) as OutgoingHttpHeaders).map(([name, value]) => [
      name.toLowerCase(),
      String(value),
    ])
  }
  const list: [string, string][] = []
  for (let i = 0; i + 1 < headers.length; i += 2) list.push([String(headers[i]).toLowerCase(), String(headers[i + 1])])
  return list
}

function joined(status: number, list: readonly [string, string][]): Record<string, string | number | string[]> {
  const headers: Record<string, string | number | string[]> = { ':status': status }
  for (const [name, value] of list) {
    const former = headers[name]
    // A repeated header that has one value only is the vendor's mistake: the first counts.
    if (former === undefined) headers[name] = value
    else if (!SINGLE.has(name)) headers[name] = [...(Array.isArray(former) ? former : [String(former)]), value]
  }
  return headers
}

// Of these, Node's HTTP/2 takes one value and throws for more.
const SINGLE = new Set([
  'age',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'etag',
  'expires',
  'host',
  'last-modified',
  'location',
  'max-forwards',
  'retry-after',
  'tk',
  'x-content-type-options',
])
