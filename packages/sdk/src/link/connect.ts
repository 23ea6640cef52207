import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { buildConnector } from 'undici'
import type { ClientCertificate } from '../client-certificate.ts'
import { isCertificateAlert } from './certificate-alert.ts'
import type { Meter } from './meter.ts'

type Connector = ReturnType<typeof buildConnector>

/** What every connection needs. */
interface Terms {
  /** Longest wait for TCP and TLS, in ms. */
  readonly connectMs: number
  /** Certificate authority, PEM. */
  readonly ca: string | undefined
}

/** What connections to an address need. */
export interface ConnectOptions extends Terms {
  /** What is shown to the other side, where it asks for it. */
  readonly clientCertificate: () => ClientCertificate | undefined
  readonly meter: Meter
}

/** What opens one connection, as these. */
export function connectorOf(
  { connectMs, ca }: Terms,
  certificate: ClientCertificate | undefined,
  session?: Buffer,
): Connector {
  return buildConnector({
    allowH2: false,
    timeout: connectMs,
    // undici's own cache of sessions holds them weakly, so the next connection seldom finds one.
    maxCachedSessions: 0,
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
    ...(session === undefined ? {} : { session }),
  })
}

/** What opens connections to one address: it resumes the last TLS session, and counts bytes as they are on the wire. */
export interface CountedConnector {
  readonly connect: Connector
  /** Connections that are open. */
  readonly open: number
  /** Takes over into the counters what open connections have moved since it was last called. */
  count(): void
}

export function countedConnector({ connectMs, ca, clientCertificate, meter }: ConnectOptions): CountedConnector {
  const { counters } = meter
  const sockets = new Map<Socket, { up: number; down: number }>()
  /** The last TLS session, and the certificate that we showed in it. */
  let session: { readonly bytes: Buffer; readonly cert: string | undefined } | undefined

  function take(socket: Socket): void {
    const counted = sockets.get(socket)
    if (counted === undefined) return
    const { bytesWritten: up, bytesRead: down } = socket
    counters.wireBytesUp += up - counted.up
    counters.wireBytesDown += down - counted.down
    Object.assign(counted, { up, down })
  }

  function watch(socket: Socket, address: string, startedAt: number, cert: string | undefined): void {
    sockets.set(socket, { up: 0, down: 0 })
    socket.once('close', () => {
      take(socket)
      sockets.delete(socket)
    })
    const isTls = socket instanceof TLSSocket
    meter.connected({
      address,
      durationMs: performance.now() - startedAt,
      isTlsResumed: isTls && socket.isSessionReused(),
    })
    if (isTls) {
      // At once: undici takes the end that follows for the reason.
      socket.on('error', (error) => {
        if (isCertificateAlert(error)) socket.destroy()
      })
      socket.on('session', (bytes: Buffer) => {
        session = { bytes, cert }
      })
    }
  }

  return {
    connect(options, callback) {
      const startedAt = performance.now()
      const failed = (error: Error): void => {
        counters.connectionFailures++
        session = undefined
        callback(error, null)
      }
      const open = (): void => {
        const certificate = clientCertificate()
        const cert = certificate?.cert
        // The other side would take whoever resumes a session for the one who opened it.
        const resumed = session?.cert === cert ? session?.bytes : undefined
        connectorOf(
          { connectMs, ca },
          certificate,
          resumed,
        )(options, (...[error, socket]) => {
          if (error !== null) {
            failed(error)
            return
          }
          watch(socket as Socket, `${options.hostname}:${options.port || '443'}`, startedAt, cert)
          callback(null, socket as Socket)
        })
      }
      try {
        open()
      } catch (error) {
        // A certificate that cannot be read, or does not fit its key.
        queueMicrotask(() => failed(error as Error))
      }
    },
    get open() {
      return sockets.size
    },
    count() {
      for (const socket of sockets.keys()) take(socket)
    },
  }
}
