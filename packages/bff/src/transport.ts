import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { LinkCompression, Registry, TlsPair } from '@llm-ferry/kit'
import { FerryError, HEADERS } from '@llm-ferry/sdk'
import type { ExchangeRef, LinkRequest } from '@llm-ferry/sdk/link'
import { buildConnector } from 'undici'
import { createBorder, type HeldRequest, keyHeader, relayed } from './border.ts'
import type { VendorConfig } from './config-file.ts'
import type { Party } from './context.ts'
import { AttemptFailure } from './dispatch/failure.ts'
import type { KeyedCall } from './idempotency/keyed-call.ts'
import { Pools } from './pools.ts'
import { RelayCertificate } from './relay-certificate.ts'
import { sendOnce } from './send-once.ts'

/** One HTTP request to a vendor. The key and the origin are added by whoever sends it. */
export interface OutgoingRequest {
  readonly method: string
  /** Path from the vendor's origin, version included, no leading slash; may have a query. */
  readonly path: string
  /** Without credential, `host` and hop-by-hop headers; `content-length` only beside a body that is read as it is sent. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** Bytes are held and may be sent again; anything else is read once. */
  readonly body: string | Uint8Array | Readable | undefined
}

/** A vendor's answer: its head, and its body as it arrives. */
export interface Exchange {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: AsyncIterable<Uint8Array>
  /** Host of the relay that carried it; `undefined` for a vendor called directly. */
  readonly relay: string | undefined
}

/** How requests reach vendors: over the border through a relay, or directly. */
export interface Transport {
  /**
   * The way for the calls of one caller: what it sends, nobody else can reach.
   *
   * @param call is told what becomes of its requests, so that another process can go on with them.
   */
  for(caller: Party, call?: KeyedCall): Sender
  /** Ends an exchange that was kept at its relay. */
  endExchange(caller: Party, exchange: ExchangeRef): Promise<void>
  /**
   * Where a session with the vendor can be opened: through the relays, the one preferred now first, or directly.
   *
   * @param path as in an {@link OutgoingRequest}.
   * @throws {AttemptFailure} when no relay is configured.
   */
  sessionAddresses(vendor: VendorConfig, path: string): readonly SessionAddress[]
  /** What relays are shown on connections from now on; nothing without a certificate at the start. */
  useClientCertificate(pair: TlsPair): void
  close(): Promise<void>
}

/** The way to vendors for one caller. */
export interface Sender {
  /**
   * Sends one request and resolves with the head of the vendor's answer, whatever its status.
   *
   * @throws {AttemptFailure} when there is no answer of the vendor, with what is known of how far the request came.
   */
  send(vendor: VendorConfig, request: OutgoingRequest, signal: AbortSignal): Promise<Exchange>
}

/** Where a WebSocket to a vendor is opened. */
export interface SessionAddress {
  readonly url: string
  /** The credential, and what the caller's headers add. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** What is shown to whoever asks for a certificate. */
  readonly clientCertificate: TlsPair | undefined
  /** Host of the relay; `undefined` for a vendor called directly. */
  readonly relay: string | undefined
}

export interface TransportOptions {
  /** Relays in order of preference, each with its addresses. */
  readonly relayUrls: readonly (readonly URL[])[]
  readonly relayToken: string | undefined
  readonly linkCompression?: LinkCompression
  /** What relays are shown; vendors that are called directly are not. */
  readonly clientCertificate?: TlsPair | undefined
  /** Longest that a relay waits for an answer's head, in ms: calls end here before. */
  readonly maxRequestTimeoutMs: number
  /** Longest wait for a TCP and TLS connection, in ms. */
  readonly connectTimeoutMs?: number
  /** Where the border link's metrics go. */
  readonly registry: Registry
}

export function createTransport({
  relayUrls,
  relayToken,
  linkCompression,
  clientCertificate,
  maxRequestTimeoutMs,
  connectTimeoutMs = 10_000,
  registry,
}: TransportOptions): Transport {
  const direct = new Pools(buildConnector({ timeout: connectTimeoutMs, allowH2: false }))
  const certificate = clientCertificate && new RelayCertificate(clientCertificate, registry)
  const toRelays = certificate === undefined ? direct : new Pools(certificate.connector(connectTimeoutMs))

  const border =
    relayUrls.length === 0
      ? undefined
      : createBorder({
          relays: relayUrls,
          relayToken: relayToken ?? '',
          compression: linkCompression,
          clientCertificate: certificate && (() => certificate.current),
          registry,
        })

  async function sendToRelay(
    caller: Party,
    vendor: VendorConfig,
    asked: OutgoingRequest,
    signal: AbortSignal,
    call: KeyedCall | undefined,
  ): Promise<Exchange> {
    if (border === undefined) throw noRelay()
    const headers = { ...asked.headers, [HEADERS.timeoutMs]: String(maxRequestTimeoutMs) }
    const request = { ...asked, headers }
    if (isHeld(request)) return border.send(caller, vendor, request, signal, call && exchangeOf(call, caller))
    await call?.sending(caller, undefined)
    const [relay] = border.relayUrls()
    const path = `${pathOf(relay)}/proxy/${vendor.name}/${request.path}`
    const credential = keyHeader(vendor, relayToken ?? '')
    return relayed(await sendOnce(toRelays.of(relay.origin), path, request, credential, signal), relay.host)
  }

  async function sendDirectly(
    caller: Party,
    vendor: VendorConfig,
    { origin, apiKey }: { origin: URL; apiKey: string },
    request: OutgoingRequest,
    signal: AbortSignal,
    call: KeyedCall | undefined,
  ): Promise<Exchange> {
    await call?.sending(caller, undefined)
    const path = `${pathOf(origin)}/${request.path}`
    const answer = await sendOnce(direct.of(origin.origin), path, request, keyHeader(vendor, apiKey), signal)
    return { ...answer, relay: undefined }
  }

  return {
    for: (caller, call) => ({
      async send(vendor, request, signal) {
        const versioned = { ...request, path: withVersion(request.path, vendor.version) }
        const { route } = vendor
        const work = (): Promise<Exchange> =>
          route.kind === 'relay'
            ? sendToRelay(caller, vendor, versioned, signal, call)
            : sendDirectly(caller, vendor, route, versioned, signal, call)
        return call ? followed(call, work) : work()
      },
    }),
    endExchange: async (caller, exchange) => border?.end(caller, exchange),
    sessionAddresses(vendor, path) {
      const versioned = withVersion(path, vendor.version)
      if (vendor.route.kind === 'direct') {
        const { origin, apiKey } = vendor.route
        const headers = keyHeader(vendor, apiKey)
        return [{ url: webSocketUrl(origin, versioned), headers, relay: undefined, clientCertificate: undefined }]
      }
      if (border === undefined) throw noRelay()
      const headers = keyHeader(vendor, relayToken ?? '')
      const below = `proxy/${vendor.name}/${versioned}`
      const shown = certificate?.current
      return border.relayUrls().map((relay) => {
        return { url: webSocketUrl(relay, below), headers, relay: relay.host, clientCertificate: shown }
      })
    },
    useClientCertificate: (pair) => certificate?.use(pair),
    async close() {
      await Promise.all([border?.close(), direct.destroy(), toRelays.destroy()])
    },
  }
}

/** How the link tells a call of its exchange. */
function exchangeOf(call: KeyedCall, caller: Party): Pick<LinkRequest, 'takeover' | 'onExchange'> {
  return { takeover: call.takeOver(), onExchange: (exchange) => call.sending(caller, exchange) }
}

/** Tells a call when the vendor has nothing to bill. */
async function followed(call: KeyedCall, work: () => Promise<Exchange>): Promise<Exchange> {
  try {
    const exchange = await work()
    if (exchange.status >= 400) call.refused()
    return exchange
  } catch (error) {
    if (error instanceof AttemptFailure && error.origin !== 'unknown') call.refused()
    throw error
  }
}

const noRelay = (): AttemptFailure =>
  new AttemptFailure(new FerryError('upstream_unreachable', 'No relay is configured'), 'unreached')

const isHeld = (request: OutgoingRequest): request is HeldRequest => !isReadOnce(request)

/** Whether the body is gone once it has been sent, or begun. */
export function isReadOnce({ body }: OutgoingRequest): boolean {
  return body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)
}

function webSocketUrl(origin: URL, path: string): string {
  return `${base(origin).replace(/^http/, 'ws')}/${path}`
}

const base = (url: URL): string => url.origin + pathOf(url)

/** Without a trailing slash. */
const pathOf = ({ pathname }: URL): string => (pathname === '/' ? '' : pathname)

/** `v1/chat/completions` under another version, for compatible vendors that count differently. */
function withVersion(path: string, version: string | undefined): string {
  return version === undefined ? path : path.replace(/^v\d[a-z0-9]*/, version)
}
