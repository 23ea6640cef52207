import type { IncomingMessage, ServerResponse } from 'node:http'

/** An unread body up to this size is read away, and the connection kept. */
const WORTH_READING_BYTES = 65_536
/** How long, and how much, a caller may still send after an answer that came early. */
const LINGER_MS = 2000
const LINGER_BYTES = 8 * 1024 * 1024

/**
 * Sends a whole answer to a request whose body may not have been read.
 *
 * Closing a socket with unread bytes resets it, and the reset can overtake the answer: the caller would see a broken
 * connection in place of its 413. So the answer goes out whole, and the connection closes a moment later (RFC 9112, 9.6).
 */
export function answerAndStopReading(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: string[],
  body: Buffer,
): void {
  if (isRead(request) && status !== 408) {
    response.writeHead(status, headers)
    response.end(body)
    return
  }
  response.writeHead(status, [...headers, 'connection', 'close'])
  if (request.headers.expect !== undefined) {
    response.end(body)
    return
  }
  response.write(body)
  readAway(request, () => response.end())
}

function isRead(request: IncomingMessage): boolean {
  if (request.complete) return true
  const { 'content-length': length, 'transfer-encoding': coding, expect } = request.headers
  return coding === undefined && expect === undefined && Number(length ?? 0) <= WORTH_READING_BYTES
}

/** Reads what the caller still sends, for a moment, then calls `done`. */
export function readAway(request: IncomingMessage, done: () => void): void {
  let left = LINGER_BYTES
  const timer = setTimeout(finish, LINGER_MS)
  function finish(): void {
    clearTimeout(timer)
    request.off('data', onData)
    done()
  }
  function onData(piece: Buffer): void {
    left -= piece.length
    if (left < 0) finish()
  }
  request.on('data', onData)
  request.once('end', finish)
  request.once('close', finish)
  request.resume()
}
