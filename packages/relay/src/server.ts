import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { DIALECTS } from '@llm-ferry/kit'
import { ERRORS, type ErrorCode, HEADERS } from '@llm-ferry/sdk'
import type { RelayConfig } from './config.ts'
import type { InFlight } from './in-flight.ts'
import { isWebSocketUpgrade } from './websocket/index.ts'

/** Request heads up to this size are read. */
const MAX_HEAD_BYTES = 32_768

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** The HTTP/1.1 server that callers, or the proxy in front, connect to. */
export function createRelayServer({ timeouts }: RelayConfig, handler: Handler, inFlight: InFlight): Server {
  const server = createServer({
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    noDelay: true,
    maxHeaderSize: MAX_HEAD_BYTES,
    keepAliveTimeout: timeouts.keepAliveMs,
    headersTimeout: timeouts.headersMs,
    // Bodies have limits of their own, because uploads may take longer than anything else.
    requestTimeout: 0,
    shouldUpgradeCallback: isWebSocketUpgrade,
    connectionsCheckingInterval: Math.min(5000, timeouts.headersMs),
  })
  server.on('request', handler)
  // Limits and credentials are checked before the caller is asked for its body.
  server.on('checkContinue', handler)
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable || inFlight.isBusy(socket)) socket.destroy()
    else socket.end(unreadable(error.code), () => socket.destroy())
  })
  return server
}

/** The answer to bytes that are no request. */
function unreadable(fault: string | undefined): string {
  const code: ErrorCode =
    fault === 'HPE_HEADER_OVERFLOW'
      ? 'headers_too_large'
      : fault === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'request_timeout'
        : 'invalid_request'
  const { status } = ERRORS[code]
  const message = 'The request is not valid HTTP, or its head is too large or too slow.'
  const body = DIALECTS.openai.errorBody({ status, code, message, requestId: '' })
  return [
    `HTTP/1.1 ${status} ${code}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    `${HEADERS.error}: ${code}`,
    `${HEADERS.reached}: no`,
    'connection: close',
    '',
    body,
  ].join('\r\n')
}
