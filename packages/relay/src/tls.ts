import type { Server as HttpServer } from 'node:http'
import { createServer, type Server as HttpsServer, type ServerOptions } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { expiryOf, Gauge, type Registry, type TlsPair } from '@llm-ferry/kit'

/** What serves connections that speak HTTP/2. */
export interface Http2Front {
  serve(socket: TLSSocket): void
}

/** A server for TLS whose certificate can be replaced while connections run. */
export interface TlsServer {
  readonly server: HttpServer
  /** The certificate of connections from now on. */
  use(pair: TlsPair): void
}

const secure = ({ cert, key }: TlsPair): Pick<ServerOptions, 'cert' | 'key' | 'minVersion'> => ({
  cert,
  key,
  minVersion: 'TLSv1.2',
})

/**
 * An HTTPS server that hands over the connections on which the caller chose HTTP/2 (ALPN).
 *
 * @param options of the HTTP/1.1 side, the same as without TLS.
 */
export function createTlsServer(pair: TlsPair, options: ServerOptions, http2: Http2Front): TlsServer {
  const server = createServer({ ...options, ...secure(pair), ALPNProtocols: ['h2', 'http/1.1'] })
  divide(server, http2)
  return {
    // Of the methods of http.Server that the relay uses, https.Server has all.
    server: server as unknown as HttpServer,
    use: (next) => server.setSecureContext(secure(next)),
  }
}

function divide(server: HttpsServer, http2: Http2Front): void {
  const http1 = server.listeners('secureConnection') as ((socket: TLSSocket) => void)[]
  server.removeAllListeners('secureConnection')
  server.on('secureConnection', (socket) => {
    if (socket.alpnProtocol === 'h2') http2.serve(socket)
    else for (const serve of http1) serve.call(server, socket)
  })
}

/** Registers the gauge that tells when to worry; returns what moves it. */
export function expiryGauge(registry: Registry): (pair: TlsPair) => void {
  const gauge = new Gauge({
    name: 'relay_tls_certificate_expires_seconds',
    help: 'When the certificate in use stops to be valid, in seconds since 1970.',
    aggregator: 'min',
    registers: [registry],
  })
  return (pair) => gauge.set(expiryOf(pair))
}
