import { KEY_SUBPROTOCOL_PREFIX, withoutKeyParameter } from '@llm-ferry/kit'
import { headerValue, requestHeaders } from '../headers.ts'

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

/** Headers for the vendor, flat; undici adds Connection and Upgrade. */
export function handshakeHeaders(raw: readonly string[], connection: string | undefined): string[] {
  const headers = requestHeaders(raw, connection)
  for (const name of ['sec-websocket-version', 'sec-websocket-key']) {
    const value = headerValue(raw, name)
    if (value !== undefined) headers.push(name, value)
  }
  const extensions = valuesOf(raw, 'sec-websocket-extensions')
  if (extensions.length > 0) headers.push('sec-websocket-extensions', extensions.join(', '))
  const protocols = offeredProtocols(raw)
  if (protocols.length > 0) headers.push('sec-websocket-protocol', protocols.join(', '))
  return headers
}

/** The subprotocols that a caller offers, without the one that is its credential. */
export function offeredProtocols(raw: readonly string[]): readonly string[] {
  return valuesOf(raw, 'sec-websocket-protocol')
    .flatMap((value) => value.split(','))
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '' && !protocol.startsWith(KEY_SUBPROTOCOL_PREFIX))
}

function valuesOf(raw: readonly string[], name: string): readonly string[] {
  return raw.filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name)
}

/**
 * The head of the 101 that the caller gets.
 *
 * @param headers of the vendor's answer, flat.
 * @param offered subprotocols that the caller offers: one must be answered (RFC 6455, 4.1), and a vendor that found the
 * key elsewhere may not have.
 */
export function switchingHead(headers: readonly string[], offered: readonly string[]): Buffer {
  const lines = ['HTTP/1.1 101 Switching Protocols', 'connection: Upgrade', 'upgrade: websocket']
  for (let i = 0; i + 1 < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
  const [first] = offered
  if (first !== undefined && headerValue(headers, 'sec-websocket-protocol') === undefined) {
    lines.push(`sec-websocket-protocol: ${first}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
