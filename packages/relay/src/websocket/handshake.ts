import type { Duplex } from 'node:stream'
import { offeredProtocols } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import type { Dispatcher } from 'undici'
import { Answer, type AnswerOptions } from '../answer.ts'
import { refuse } from '../errors.ts'
import { answerHeaders, headerValue } from '../headers.ts'
import type { Early } from './early.ts'
import { switchingHead } from './headers.ts'
import { openTunnel, type TunnelMeter } from './tunnel.ts'

/** What a handshake needs besides what every answer needs. */
export interface HandshakeOptions extends AnswerOptions {
  readonly caller: Duplex
  /** Longest silence of both sides, in ms. */
  readonly idleMs: number
  readonly early: Early
  readonly openMeter: () => TunnelMeter
}

/** A vendor's answer to an upgrade: a 101 joins the two connections, any other one is an answer like all others. */
export class Handshake extends Answer {
  readonly #options: HandshakeOptions

  constructor(options: HandshakeOptions) {
    super(options)
    this.#options = options
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController, status: number, _: unknown, vendor: Duplex): void {
    const { exchange, caller, early, key, urls, idleMs } = this.#options
    this.release()
    const headers = answerHeaders(controller.rawHeaders as Buffer[], key.secret, urls, exchange.id)
    if (status !== 101 || !isWebSocket(controller.rawHeaders as Buffer[])) {
      vendor.on('error', () => {}).destroy()
      refuse(exchange, new FerryError('upstream_invalid', 'The vendor switched to another protocol than WebSocket.'))
      return
    }
    exchange.status = status
    exchange.headAt = performance.now()
    exchange.vendorRequestId = headerValue(headers, this.#options.vendor.dialect.requestIdHeader)
    caller.write(switchingHead(headers, offeredProtocols(exchange.request.rawHeaders)))
    early.giveBack()
    openTunnel({ exchange, caller, vendor, idleMs, meter: this.#options.openMeter() })
  }
}

function isWebSocket(raw: readonly Buffer[]): boolean {
  const flat = raw.map((bytes) => bytes.toString('latin1'))
  return headerValue(flat, 'upgrade')?.trim().toLowerCase() === 'websocket'
}
