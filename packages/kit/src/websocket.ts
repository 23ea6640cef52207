import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { FerryError } from '@llm-ferry/sdk'
import { KEY_SUBPROTOCOL_PREFIX, withoutKeyParameter } from './caller.ts'

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
  if (Number(request.headers['content-length'] ?? 0) > 0 || request.headers['transfer-encoding'] !== undefined) {
    throw invalid('A request for a WebSocket has no body.')
  }
}

const invalid = (message: string): FerryError => new FerryError('invalid_request', message)

/** Time for a refused caller to read why. */
const LINGER_MS = 2000

/**
 * The answer to an upgrade, for when it is refused: an ordinary one, after which the connection closes, because what the
 * caller sends next may be no HTTP. It is closed when the connection is, also that of an upgrade that was not refused.
 */
export function upgradeResponse(request: IncomingMessage, socket: Duplex): ServerResponse {
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

/** The query as credentials are looked for in it: Google's SDK calls the parameter `access_token` for some keys. */
export function credentialQuery(query: string | undefined): string | undefined {
  if (query === undefined || !/access|%/.test(query)) return query
  return query
    .split('&')
    .map((pair) => pair.replace(/^[^=]*/, (name) => (decoded(name) === 'access_token' ? 'key' : name)))
    .join('&')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Path and query for the vendor, without the caller's credential. */
export function handshakePath(path: string, query: string | undefined): string {
  const kept = withoutKeyParameter(query ?? '')
  return kept === '' ? path : `${path}?${kept}`
}

/** The subprotocols that a caller offers, without the one that is its credential. */
export function offeredProtocols(raw: readonly string[]): readonly string[] {
  return headerValues(raw, 'sec-websocket-protocol')
    .flatMap((value) => value.split(','))
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '' && !protocol.startsWith(KEY_SUBPROTOCOL_PREFIX))
}

/** Values of every header of this lower-case name. */
export function headerValues(raw: readonly string[], name: string): readonly string[] {
  return raw.filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name)
}

/** A close code as a metric's label; undefined: there was no Close frame. Codes that a protocol or an application made up are counted together, since anyone may invent one. */
export function closeCodeLabel(code: number | undefined): string {
  if (code === undefined) return 'none'
  if (code >= 1000 && code <= 1015) return String(code)
  if (code >= 3000 && code <= 4999) return `${Math.floor(code / 1000)}xxx`
  return 'other'
}
