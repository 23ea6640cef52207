import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { DIALECTS, isWebSocketUpgrade, type Registry, type TlsPair } from '@llm-ferry/kit'
import { ERRORS, type ErrorCode, HEADERS } from '@llm-ferry/sdk'
import type { RelayConfig } from './config.ts'
import { createHttp2 } from './http2/index.ts'
import type { InFlight } from './in-flight.ts'
import { createTlsServer, expiryGauge } from './tls.ts'

/** Request heads up to this size are read. */
const MAX_HEAD_BYTES = 32_768

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** What callers, or the proxy in front, connect to. */
export interface Listener {
  readonly server: Server
  /** The certificate of connections from now on; nothing without TLS. */
  useTls(pair: TlsPair | undefined): void
  /** Tells idle callers to go. */
  drain(): void
  /** Cuts every connection. */
  close(): void
}

/** Builds the server: HTTP/1.1, and with a certificate also HTTP/2. */
export function createListener(
  config: RelayConfig,
  handler: Handler,
  inFlight: InFlight,
  registry: Registry,
): Listener {
  const options = optionsOf(config)
  if (config.tls === undefined) return plainListener(watched(createServer(options), handler, inFlight))
  const http2 = createHttp2(handler, config.timeouts)
  const tls = createTlsServer(config.tls, { ...options, handshakeTimeout: config.timeouts.headersMs }, http2)
  const setExpiry = expiryGauge(registry)
  setExpiry(config.tls)
  let current = config.tls
  const plain = plainListener(watched(tls.server, handler, inFlight))
  return {
    server: plain.server,
    useTls(pair) {
      // A context anew makes callers' session tickets void, so not for a reload that is about something else.
      if (pair === undefined || (pair.cert === current.cert && pair.key === current.key)) return
      current = pair
      tls.use(pair)
      setExpiry(pair)
    },
    drain() {
      plain.drain()
      http2.drain()
    },
    close() {
      http2.destroy()
      plain.close()
    },
  }
}

function plainListener(server: Server): Listener {
  return {
    server,
    useTls() {},
    drain: () => server.closeIdleConnections(),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function optionsOf({ timeouts }: RelayConfig): ServerOptions {
  return {
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
  }
}

function watched(server: Server, handler: Handler, inFlight: InFlight): Server {
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
