import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import {
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Timeouts } from '../config.ts'
import { Http2Request } from './request.ts'
import { Http2Response } from './response.ts'

/** Serves HTTP/2 with the same handler as HTTP/1.1. */
export interface Http2Sessions {
  /** Takes over a connection on which the caller chose HTTP/2. */
  serve(socket: TLSSocket): void
  /** Tells all callers that their sessions take no new streams. */
  drain(): void
  /** Cuts what is left. */
  destroy(): void
}

/**
 * Room for uploads over long links: measured at 200 ms, 1 MB took 5.6 s with Node's windows and 0.3 s with these. A
 * session never holds more unread bytes than one window.
 */
const WINDOW_BYTES = 16 * 1024 * 1024

const OPTIONS: ServerOptions = {
  settings: { initialWindowSize: WINDOW_BYTES, maxConcurrentStreams: 256, maxHeaderListSize: 32_768 },
  maxHeaderListPairs: 256,
  // In MB, the window included: a session beyond it has its new streams refused.
  maxSessionMemory: 64,
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Builds the HTTP/2 side; it listens nowhere, connections are handed to it. */
export function createHttp2(handler: Handler, { keepAliveMs }: Timeouts): Http2Sessions {
  const server = createServer(OPTIONS)
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    session.on('error', () => {})
    session.setLocalWindowSize(WINDOW_BYTES)
  })
  return {
    serve(socket) {
      serveSession(server, socket, handler, keepAliveMs)
    },
    drain() {
      for (const session of sessions) session.close()
    },
    destroy() {
      for (const session of sessions) session.destroy()
    },
  }
}

function serveSession(server: Http2Server, socket: TLSSocket, handler: Handler, keepAliveMs: number): void {
  server.once('session', (session) => {
    let open = 0
    session.on('stream', (stream, headers, _, rawHeaders: string[]) => {
      open += 1
      stream.once('close', () => {
        open -= 1
      })
      serveStream(stream, socket, headers, rawHeaders, handler)
    })
    session.setTimeout(keepAliveMs, () => {
      if (open === 0) session.close()
    })
  })
  server.emit('connection', socket)
}

function serveStream(
  stream: ServerHttp2Stream,
  socket: TLSSocket,
  headers: IncomingHttpHeaders,
  raw: readonly string[],
  handler: Handler,
): void {
  const request = new Http2Request(stream, socket, headers, raw)
  const response = new Http2Response(stream, socket)
  // They have what the pipeline uses of the two classes, and no more.
  handler(request as unknown as IncomingMessage, response as unknown as ServerResponse)
}
