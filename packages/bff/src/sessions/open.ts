import type { IncomingMessage } from 'node:http'
import { FerryError } from '@llm-ferry/sdk'
import { WebSocket, WebSocketServer } from 'ws'
import { relayed } from '../border.ts'
import { jsonOrText, readWhole } from '../dispatch/answer.ts'
import { AttemptFailure } from '../dispatch/failure.ts'
import type { ResolvedTarget } from '../dispatch/resolve.ts'
import type { SessionAddress } from '../transport.ts'
import type { Upgrade } from './upgrades.ts'

/** Time for a connection, TLS included, and for the vendor's agreement with it, in ms. */
const CONNECT_MS = 5000
const HANDSHAKE_MS = 10_000
/** Largest message of the vendor, in bytes. */
const MAX_VENDOR_MESSAGE = 16 * 1024 * 1024

// Compressed messages could not be read for usage without keeping a dictionary for each session.
const COMMON = { perMessageDeflate: false, skipUTF8Validation: true } as const

/**
 * Opens a WebSocket to the vendor; it is paused.
 *
 * @throws {AttemptFailure} with the vendor's or the relay's answer, when it refuses.
 */
export function openToVendor(
  target: ResolvedTarget,
  { url, headers, relay, clientCertificate }: SessionAddress,
  protocols: readonly string[],
  signal: AbortSignal,
): Promise<WebSocket> {
  let isConnected = false
  const socket = new WebSocket(url, [...protocols], {
    ...COMMON,
    ...clientCertificate,
    finishRequest: (request) => {
      const timer = setTimeout(() => request.destroy(new Error(`no connection in ${CONNECT_MS} ms`)), CONNECT_MS)
      request.once('close', () => clearTimeout(timer))
      request.once('socket', (connection) => {
        connection.once(url.startsWith('wss:') ? 'secureConnect' : 'connect', () => {
          isConnected = true
          clearTimeout(timer)
        })
      })
      request.end()
    },
    headers,
    handshakeTimeout: HANDSHAKE_MS,
    maxPayload: MAX_VENDOR_MESSAGE,
    followRedirects: false,
  })
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      socket.terminate()
      reject(new AttemptFailure(signal.reason, 'unknown'))
    }
    signal.addEventListener('abort', leave, { once: true })
    socket.once('open', () => {
      // At once: what the vendor says first would be heard by nobody.
      socket.pause()
      signal.removeEventListener('abort', leave)
      resolve(socket)
    })
    socket.once('unexpected-response', (request, answer) => {
      refusalOf(target, answer, relay, signal).catch((failure) => {
        request.destroy()
        reject(failure)
      })
    })
    socket.on('error', (cause) => {
      const error = new FerryError('upstream_unreachable', 'No session could be opened', { cause })
      reject(new AttemptFailure(error, isConnected ? 'unknown' : 'unreached'))
    })
  })
}

async function refusalOf(
  target: ResolvedTarget,
  answer: IncomingMessage,
  relay: string | undefined,
  signal: AbortSignal,
): Promise<never> {
  const { statusCode: status = 502, headers } = answer
  const exchange = await relayed({ status, headers, body: answer }, relay)
  const body = jsonOrText((await readWhole(exchange, signal)).toString('utf8'))
  if (status >= 400) throw new AttemptFailure(target.adapter.error({ status, headers, body }, target), 'vendor')
  const message = `The vendor answered the upgrade with ${status}`
  throw new AttemptFailure(new FerryError('upstream_invalid', message), 'vendor')
}

/** Agrees to the caller's upgrade. */
export function acceptCaller(
  request: IncomingMessage,
  { socket, head }: Upgrade,
  protocol: string,
  headers: Readonly<Record<string, string>>,
  maxMessageBytes: number,
): Promise<WebSocket> {
  const server = new WebSocketServer({
    ...COMMON,
    noServer: true,
    clientTracking: false,
    maxPayload: maxMessageBytes,
    handleProtocols: () => protocol || false,
  })
  server.on('headers', (lines) => {
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  })
  return new Promise((resolve, reject) => {
    socket.once('close', () => reject(new FerryError('client_closed', 'The caller left before the session')))
    server.once('wsClientError', (cause) => reject(new FerryError('invalid_request', cause.message, { cause })))
    server.handleUpgrade(request, socket, head, resolve)
  })
}
