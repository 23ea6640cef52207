import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'

/** What the relay reads of a request. */
type RequestFacts = Pick<
  IncomingMessage,
  'method' | 'url' | 'headers' | 'rawHeaders' | 'httpVersion' | 'httpVersionMajor' | 'complete' | 'socket'
>

/**
 * A request on an HTTP/2 stream, as the HTTP/1.1 pipeline sees requests.
 *
 * Node has such a class, but it ends in good order when the caller resets the stream: half an upload would look whole.
 */
export class Http2Request extends Readable implements RequestFacts {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: string[]
  readonly httpVersion: string = '2.0'
  readonly httpVersionMajor: number = 2
  complete: boolean
  readonly socket: Socket
  readonly #stream: ServerHttp2Stream

  /**
   * @param headers as the session gives them, pseudo-headers included.
   * @param raw the same, flat.
   */
  constructor(stream: ServerHttp2Stream, socket: Socket, headers: IncomingHttpHeaders, raw: readonly string[]) {
    super()
    this.#stream = stream
    this.socket = socket
    this.method = String(headers[':method'] ?? '')
    this.url = String(headers[':path'] ?? '')
    this.rawHeaders = withHost(raw)
    this.complete = stream.endAfterHeaders
    this.headers = withFraming(headers, this.complete)
    this.#follow()
  }

  override _read(): void {
    this.#stream.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // The rest of the body has no reader; whether the stream goes on is the response's business.
    this.#stream.resume()
    done(error)
  }

  #follow(): void {
    const stream = this.#stream
    stream.on('data', (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) stream.pause()
    })
    stream.once('end', () => {
      if (stream.aborted || this.destroyed) return
      this.complete = true
      this.push(null)
    })
    stream.once('aborted', () => this.destroy())
    stream.once('close', () => this.destroy())
    if (!this.complete) stream.pause()
  }
}

/** HTTP/2 puts the host into a pseudo-header; the others say nothing that is not said elsewhere. */
function withHost(raw: readonly string[]): string[] {
  const flat: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (name === ':authority') flat.push('host', raw[i + 1] ?? '')
    else if (!name.startsWith(':')) flat.push(name, raw[i + 1] ?? '')
  }
  return flat
}

/** A body without a length ends with its stream: what HTTP/1.1 calls chunked. */
function withFraming(headers: IncomingHttpHeaders, isWhole: boolean): IncomingHttpHeaders {
  const host = headers[':authority'] ?? headers.host
  const framing = isWhole || headers['content-length'] !== undefined ? {} : { 'transfer-encoding': 'chunked' }
  return { ...headers, ...(host === undefined ? {} : { host: String(host) }), ...framing }
}
