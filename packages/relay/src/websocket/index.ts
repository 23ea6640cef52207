import type { Duplex } from 'node:stream'
import { checkUpgrade, handshakePath, type Registry } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import type { RelayConfig } from '../config.ts'
import { Copy } from '../copy.ts'
import type { Exchange } from '../exchange.ts'
import type { Call } from '../forward.ts'
import { setHeader } from '../headers.ts'
import type { PoolKey } from '../keys.ts'
import { linkBack } from '../link-back.ts'
import { Early } from './early.ts'
import { Handshake } from './handshake.ts'
import { handshakeHeaders } from './headers.ts'
import { type OpenMeter, webSocketMeters } from './meters.ts'
import { Slots } from './slots.ts'

/** Opens WebSockets to vendors, within the limits. */
export class WebSockets {
  readonly #config: RelayConfig
  readonly #slots: Slots
  readonly #openMeter: OpenMeter

  constructor(config: RelayConfig, registry: Registry) {
    this.#config = config
    this.#slots = new Slots(config.webSockets)
    this.#openMeter = webSocketMeters(registry)
  }

  /**
   * Passes an upgrade on to the vendor, and joins the connections when the vendor agrees.
   *
   * @param caller the connection, of which the request has been read.
   * @param head what came with the request.
   * @throws {FerryError} for upgrades that are refused without asking the vendor.
   */
  open(exchange: Exchange, call: Call, caller: Duplex, head: Buffer): void {
    const { request } = exchange
    const { vendor, token } = call
    checkUpgrade(request)
    const key = stickyKey(call)
    exchange.key = key
    exchange.response.once('close', this.#slots.take(token.name))
    const headers = handshakeHeaders(request.rawHeaders, request.headers.connection)
    setHeader(headers, vendor.placement.header, `${vendor.placement.prefix}${key.secret}`)
    const { handshakeMs, idleMs } = this.#config.webSockets
    const handshake = new Handshake({
      exchange,
      output: new Copy(exchange, idleMs),
      vendor,
      key,
      urls: {
        headers: vendor.dialect.urlHeaders,
        rewrite: (url) => linkBack(url, request, vendor, this.#config),
      },
      headMs: handshakeMs,
      idleMs,
      waitsForUpload: false,
      caller,
      early: new Early(caller, head),
      openMeter: () => this.#openMeter(vendor.name),
    })
    const path = handshakePath(call.path, call.query)
    vendor.upstream.dispatch({ method: 'GET', path, headers, upgrade: 'websocket', headersTimeout: 0 }, handshake)
  }
}

// Sessions live in the vendor's account: a later one, or an HTTP call about this one, must find it.
function stickyKey({ vendor, token }: Call): PoolKey {
  const key = vendor.keys.stickyTo(token.name)
  if (key !== undefined) return key
  throw new FerryError(
    'vendor_not_configured',
    `The operator of this service has configured no key for ${vendor.name}.`,
  )
}
