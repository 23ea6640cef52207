import { headerValues, offeredProtocols } from '@llm-ferry/kit'
import { headerValue, requestHeaders } from '../headers.ts'

/** Headers for the vendor, flat; undici adds Connection and Upgrade. */
export function handshakeHeaders(raw: readonly string[], connection: string | undefined): string[] {
  const headers = requestHeaders(raw, connection)
  for (const name of ['sec-websocket-version', 'sec-websocket-key']) {
    const value = headerValue(raw, name)
    if (value !== undefined) headers.push(name, value)
  }
  const extensions = headerValues(raw, 'sec-websocket-extensions')
  if (extensions.length > 0) headers.push('sec-websocket-extensions', extensions.join(', '))
  const protocols = offeredProtocols(raw)
  if (protocols.length > 0) headers.push('sec-websocket-protocol', protocols.join(', '))
  return headers
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
