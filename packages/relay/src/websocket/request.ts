import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { FerryError } from '@llm-ferry/sdk'
import { declaredLength } from '../body.ts'

/**
 * Whether a request asks for a WebSocket. All other upgrades are left unanswered, as RFC 9110, 7.8 allows: the request is
 * then served as if it had not asked (Java's client asks for h2c with each first request).
 */
export function isWebSocketUpgrade({ headers, httpVersion }: IncomingMessage): boolean {
  const protocols = headers.upgrade?.split(',').map((protocol) => protocol.trim().toLowerCase())
  return httpVersion === '1.1' && protocols !== undefined && protocols.includes('websocket')
}

/** Throws for what no WebSocket client sends, and what proxies and servers could read in different ways. */
export function checkUpgrade(request: IncomingMessage): void {
  if (request.method !== 'GET') throw invalid('A WebSocket is opened with GET.')
  if ((declaredLength(request) ?? 0) > 0 || request.headers['transfer-encoding'] !== undefined) {
    throw invalid('A request for a WebSocket has no body.')
  }
}

const invalid = (message: string): FerryError => new FerryError('invalid_request', message)

/** Time for a refused caller to read why. */
const LINGER_MS = 2000

/**
 * The answer to an upgrade that is refused, by the relay or by the vendor: an ordinary one, after which the connection
 * closes, because what the caller sends next may be no HTTP. It is closed when the connection is.
 */
export function refusalOf(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as Socket)
  response.once('finish', () => {
    socket.end()
    socket.resume()
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  })
  return response
}

/** What a caller may send before it has its answer; the rest waits in its socket. */
const MAX_EARLY_BYTES = 65_536

/** Keeps what a caller sends during the handshake, and notices when it leaves. */
export class Early {
  readonly #socket: Duplex
  readonly #pieces: Buffer[] = []
  #bytes = 0

  /** @param head bytes that came with the request. */
  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', this.#keep)
    socket.once('end', this.#leave)
    if (head.length > 0) this.#keep(head)
  }

  /** Gives the bytes back to the socket, for whoever reads it next. */
  giveBack(): void {
    this.#socket.pause()
    this.#socket.off('data', this.#keep)
    this.#socket.off('end', this.#leave)
    if (this.#bytes > 0) this.#socket.unshift(Buffer.concat(this.#pieces))
  }

  readonly #keep = (piece: Buffer): void => {
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#bytes > MAX_EARLY_BYTES) this.#socket.pause()
  }

  readonly #leave = (): void => {
    this.#socket.destroy()
  }
}
