import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  type CredentialPlace,
  clientAddress,
  credentialQuery,
  type Logger,
  listen,
  type Registry,
  upgradeResponse,
} from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import { createAccessLog } from './access-log.ts'
import { authenticate } from './authenticate.ts'
import { BodyBudget } from './body.ts'
import type { RelayConfig } from './config.ts'
import { refuse, toFerryError } from './errors.ts'
import { Exchange } from './exchange.ts'
import { type Call, forward } from './forward.ts'
import { InFlight } from './in-flight.ts'
import { createLink, exchangeToCancel, isDurable } from './link/index.ts'
import { serveProbe } from './probes.ts'
import { createListener } from './server.ts'
import { proxyTarget, upstreamPath } from './target.ts'
import { createTelemetry } from './telemetry.ts'
import { type Token, Tokens } from './tokens.ts'
import type { Tracing } from './tracing/index.ts'
import { openVendor, replaceKeys, type Vendor } from './vendor.ts'
import { WebSockets } from './websocket/index.ts'

/** What a relay needs besides its configuration. */
export interface RelayDeps {
  readonly log: Logger
  /** Where its metrics go. */
  readonly registry: Registry
  /** Where its spans go; absent: nowhere. */
  readonly tracing?: Tracing | undefined
}

/** A relay. */
export interface Relay {
  /** Serves one request; for servers other than {@link server}. */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void
  readonly server: Server
  /** Starts to listen and returns the port in use. */
  listen(): Promise<number>
  /** Takes over tokens and keys from a configuration read anew; all else needs a restart. */
  reload(config: RelayConfig): void
  /** Refuses new requests, lets those that run end (up to the drain timeout), and closes everything. */
  stop(): Promise<void>
}

/** Time for the last words to callers whose answers are cut at the end of the drain. */
const CUT_MS = 1500

/** More headers than any SDK sends. */
const MAX_HEADERS = 128

/** Where a caller's credential may be when no vendor's SDK sends it. */
const ANY_HEADER: readonly CredentialPlace[] = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key']

/** Builds a relay. Nothing listens before {@link Relay.listen}. */
export function createRelay(config: RelayConfig, { log, registry, tracing }: RelayDeps): Relay {
  const { timeouts } = config
  const vendors = new Map(
    config.vendors.map((vendor) => [vendor.name, openVendor(vendor, timeouts.connectMs, config.proxy)]),
  )
  const tokens = new Tokens(config.tokens)
  const budget = new BodyBudget(config.limits.maxBufferedBytes)
  const inFlight = new InFlight()
  const telemetry = createTelemetry(registry, vendors, inFlight, budget)
  const accessLog = createAccessLog(log)
  const webSockets = new WebSockets(config, registry)
  const link = createLink({ config, budget, inFlight, registry, record, isOnlyToken: () => tokens.count === 1 })
  warnOfMissingKeys(vendors, log)

  const handler = (request: IncomingMessage, response: ServerResponse): void =>
    serve(request, response, (exchange) => {
      if (serveProbe(exchange, inFlight.isDraining, tokens)) return
      const id = exchangeToCancel(request)
      if (id !== undefined) {
        link.cancel(exchange, id, identify(exchange, undefined, ANY_HEADER))
        return
      }
      const call = admit(exchange)
      if (isDurable(request.headers)) {
        link.carry(exchange, call, () => admitNew(call))
        return
      }
      admitNew(call)
      forward(exchange, call, config, budget)
    })

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void =>
    serve(request, upgradeResponse(request, socket), (exchange) => {
      const call = admit(exchange, true)
      admitNew(call)
      webSockets.open(exchange, call, socket, head)
    })

  function serve(request: IncomingMessage, response: ServerResponse, run: (exchange: Exchange) => void): void {
    const exchange = new Exchange(request, response)
    exchange.address = addressOf(request)
    inFlight.add(exchange)
    response.once('close', () => {
      settle(exchange)
      inFlight.remove(exchange)
      if (!exchange.isCarrier) record(exchange)
    })
    try {
      run(exchange)
    } catch (error) {
      const fault = toFerryError(error)
      if (fault.code === 'internal_error') log.error({ err: error, requestId: exchange.id }, 'request_failed')
      refuse(exchange, fault)
    }
  }

  function record(exchange: Exchange): void {
    telemetry.record(exchange)
    accessLog.write(exchange)
    tracing?.record(exchange)
  }

  /** Everything that is decided before the body: who asks, for which vendor, by which path, with which key. */
  function admit(exchange: Exchange, isUpgrade = false): Call {
    const { request } = exchange
    const target = proxyTarget(request.url ?? '')
    if (target === undefined) throw new FerryError('not_found', 'There is no such route. Try /proxy/{vendor}/{path}.')
    const vendor = vendors.get(target.vendor)
    if (vendor === undefined) throw new FerryError('vendor_not_found', 'No vendor of this name is configured.')
    exchange.vendor = vendor
    const places = isUpgrade ? vendor.dialect.webSocketPlaces : vendor.dialect.credentialPlaces
    const query = isUpgrade ? credentialQuery(target.query) : target.query
    const { path, operation } = upstreamPath(target.path, vendor.prefix, vendor.version)
    exchange.path = path
    exchange.operation = operation
    const token = identify(exchange, query, places)
    return { vendor, token, path, query }
  }

  /** The caller's token, once its address and head are in order. */
  function identify(exchange: Exchange, query: string | undefined, places: readonly CredentialPlace[]): Token {
    const { request } = exchange
    checkHead(request)
    if (!config.allowedIps.isEmpty && !config.allowedIps.has(exchange.address)) {
      throw new FerryError('permission_denied', 'Your address may not use this service.')
    }
    const token = authenticate(request, query, places, tokens)
    exchange.token = token
    return token
  }

  /** Throws when the caller may not start anything now. */
  function admitNew({ token, vendor }: Call): void {
    token.authorize(vendor.name)
    if (inFlight.isDraining) throw new FerryError('draining', 'The relay is about to stop. Try again.')
  }

  function addressOf(request: IncomingMessage): string {
    const forwardedFor = request.headers['x-forwarded-for']
    return clientAddress(request.socket.remoteAddress ?? '', String(forwardedFor ?? ''), config.trustedProxies)
  }

  const listener = createListener(config, handler, inFlight, registry)
  const { server } = listener
  server.on('upgrade', upgrade)
  return {
    handler,
    server,
    listen: () => listen(server, config.port, config.host),
    reload(next) {
      reload(next, tokens, vendors, log)
      listener.useTls(next.tls)
    },
    async stop() {
      inFlight.drain()
      listener.drain()
      await inFlight.emptied(timeouts.drainMs)
      inFlight.cutAll()
      link.close()
      // Error events and resets go out before everything is closed.
      await inFlight.emptied(CUT_MS)
      listener.close()
      await Promise.all([...vendors.values()].map(({ upstream }) => upstream.destroy()))
      await tracing?.stop()
    },
  }
}

// TRACE would echo the vendor's key to the caller; of two Hosts, this process and the proxy in front may read different
// ones; HTTP/0.9 has neither headers nor an end that can be told from a break.
function checkHead({ method, rawHeaders, httpVersionMajor }: IncomingMessage): void {
  if (method === 'TRACE' || method === 'CONNECT') {
    throw new FerryError('method_not_allowed', `The method ${method} is not allowed.`)
  }
  if (httpVersionMajor === 0) throw new FerryError('invalid_request', 'HTTP/0.9 is not spoken here.')
  if (hostCount(rawHeaders) > 1) {
    throw new FerryError('invalid_request', 'The request has more than one Host header.')
  }
  if (rawHeaders.length > 2 * MAX_HEADERS) {
    throw new FerryError('headers_too_large', `The request has more than ${MAX_HEADERS} headers.`)
  }
}

function hostCount(rawHeaders: readonly string[]): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name?.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}

/** Says how an exchange ended, and ends the vendor's side when the caller left early. */
function settle(exchange: Exchange): void {
  if (exchange.response.writableFinished) exchange.outcome ??= 'completed'
  else exchange.outcome ??= 'client_closed'
  exchange.abort?.('client_closed')
  exchange.reservation?.release()
}

function warnOfMissingKeys(vendors: ReadonlyMap<string, Vendor>, log: Logger): void {
  for (const { name, keys, keyHint } of vendors.values()) {
    if (keys.isEmpty) log.warn({ vendor: name, set: keyHint }, 'vendor_without_key')
  }
}

function reload(next: RelayConfig, tokens: Tokens, vendors: ReadonlyMap<string, Vendor>, log: Logger): void {
  tokens.replace(next.tokens)
  for (const { name, keys } of next.vendors) {
    const vendor = vendors.get(name)
    if (vendor !== undefined) replaceKeys(vendor, keys)
  }
  log.info({ tokens: next.tokens.length }, 'configuration_reloaded')
}
