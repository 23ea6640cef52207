import type { Socket } from 'node:net'
import { ConnectionPool } from '@llm-ferry/sdk/link'
import { buildConnector, type Dispatcher } from 'undici'
import type { ProxySettings } from './config.ts'
import { proxyFor, tunnel } from './outbound-proxy.ts'

/** The connections to one vendor. */
export interface Upstream {
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void
  /** Cuts everything. */
  destroy(): Promise<void>
}

/** Idle time after which a connection to a vendor is closed; a vendor's own Keep-Alive hint goes first. */
const IDLE_CONNECTION_MS = 60_000

/** Largest head of a vendor's answer. */
const MAX_HEAD_BYTES = 65_536

/**
 * Opens the pool of connections to an origin. HTTP/1.1 only: measured, a stream a connection costs less than HTTP/2's
 * framing, and one lost packet then holds up one stream only. There is no limit on connections, because that would be
 * a limit on open streams.
 */
export function openUpstream(origin: URL, connectMs: number, proxy: ProxySettings): Upstream {
  const direct = buildConnector({ timeout: connectMs, allowH2: false })
  const proxyUrl = proxyFor(origin, proxy)
  const connector = proxyUrl === undefined ? direct : tunnel(proxyUrl, direct, connectMs)
  const pool = new ConnectionPool(origin.origin, {
    connect: noticingResets(connector),
    allowH2: false,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    headersTimeout: 0,
    maxHeaderSize: MAX_HEAD_BYTES,
  })
  return {
    dispatch: (options, handler) => void pool.dispatch(options, handler),
    destroy: () => pool.destroy(),
  }
}

let resetUnderWay = false

/**
 * Whether a connection to a vendor is being reset in this very turn.
 *
 * undici takes a reset for the regular end of an answer that has neither length nor chunks (for macOS, it says), so the
 * end of such an answer has to ask here whether it is one.
 */
export const endedByReset = (): boolean => resetUnderWay

function noticingResets(connector: buildConnector.connector): buildConnector.connector {
  return (options, callback) =>
    connector(options, (...[error, socket]: [Error | null, Socket | null]) => {
      if (error !== null || socket === null) {
        callback(error ?? new Error('no socket'), null)
        return
      }
      // Registered before undici's own listener, so that it runs first.
      socket.on('error', () => {
        resetUnderWay = true
        queueMicrotask(() => {
          resetUnderWay = false
        })
      })
      callback(null, socket)
    })
}
