import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { buildConnector } from 'undici'
import type { Meter } from './meter.ts'

type Connector = ReturnType<typeof buildConnector>

/** What connections to an address need. */
export interface ConnectOptions {
  /** Longest wait for TCP and TLS, in ms. */
  readonly connectMs: number
  /** Certificate authority, PEM. */
  readonly ca: string | undefined
  readonly meter: Meter
}

/** What opens connections to one address: it resumes the last TLS session, and counts bytes as they are on the wire. */
export interface CountedConnector {
  readonly connect: Connector
  /** Connections that are open. */
  readonly open: number
  /** Takes over into the counters what open connections have moved since it was last called. */
  count(): void
}

export function countedConnector({ connectMs, ca, meter }: ConnectOptions): CountedConnector {
  const { counters } = meter
  const sockets = new Map<Socket, { up: number; down: number }>()
  let session: Buffer | undefined

  function take(socket: Socket): void {
    const counted = sockets.get(socket)
    if (counted === undefined) return
    const { bytesWritten: up, bytesRead: down } = socket
    counters.wireBytesUp += up - counted.up
    counters.wireBytesDown += down - counted.down
    Object.assign(counted, { up, down })
  }

  function watch(socket: Socket, address: string, startedAt: number): void {
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
      socket.on('session', (next: Buffer) => {
        session = next
      })
    }
  }

  return {
    connect(options, callback) {
      const startedAt = performance.now()
      // undici's own cache of sessions holds them weakly, so the next connection seldom finds one.
      const connect = buildConnector({
        allowH2: false,
        timeout: connectMs,
        maxCachedSessions: 0,
        ...(ca === undefined ? {} : { ca }),
        ...(session === undefined ? {} : { session }),
      })
      connect(options, (error, socket) => {
        if (error !== null) {
          counters.connectionFailures++
          session = undefined
          callback(error, null)
          return
        }
        watch(socket as Socket, `${options.hostname}:${options.port || '443'}`, startedAt)
        callback(null, socket as Socket)
      })
    },
    get open() {
      return sockets.size
    },
    count() {
      for (const socket of sockets.keys()) take(socket)
    },
  }
}
