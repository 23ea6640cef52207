import { type BodyBudget, checkDeclared, declaredLength, gatherBody } from '../body.ts'
import type { RelayConfig } from '../config.ts'
import { refuse, toFerryError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { continueIfExpected } from '../forward.ts'
import { type DecodedBody, decodeBody } from './decode-body.ts'
import type { LinkRequest } from './link-request.ts'
import type { LinkMeters } from './meters.ts'

/** What receiving needs of the link. */
export interface ReceiveDeps {
  readonly budget: BodyBudget
  readonly meters: LinkMeters
  readonly asked: LinkRequest
  /** The body of this digest that the caller may build on; undefined when it is not here. */
  readonly baseOf: (digest: string) => Buffer | undefined
}

/**
 * Gathers a carrier's body, of whatever type, and hands it over; what `receive` throws becomes the answer. A body that builds
 * on one that is not here is handed over as none: its digest stands for it, as on a resume.
 *
 * @throws {FerryError} for a body that is refused by its head.
 */
export function receiveBody(
  exchange: Exchange,
  { limits, timeouts }: RelayConfig,
  { budget, meters, asked, baseOf }: ReceiveDeps,
  receive: (body: Buffer) => void,
): void {
  const { request } = exchange
  checkDeclared(request, limits.maxBodyBytes)
  const { encoding } = asked
  const body = (bytes: Buffer): void => {
    exchange.bytesIn = bytes.length
    if (encoding === undefined || bytes.length === 0) {
      meters.received(bytes.length, bytes.length)
      hand(bytes)
      return
    }
    const base = asked.base === undefined ? undefined : baseOf(asked.base)
    if (asked.base !== undefined) meters.built(base === undefined ? 'miss' : 'hit')
    if (asked.base !== undefined && base === undefined) {
      hand(Buffer.alloc(0))
      return
    }
    decodeBody(bytes, { encoding, base, maxBytes: limits.maxBodyBytes }, budget).then(swap, (error) =>
      refuse(exchange, toFerryError(error)),
    )
  }
  /** The decoded body takes the encoded one's place in the budget. */
  function swap({ bytes, reservation }: DecodedBody): void {
    exchange.reservation?.release()
    exchange.reservation = reservation
    meters.received(bytes.length, exchange.bytesIn)
    hand(bytes)
    // Nobody else does it for a carrier that went while its body was decoded.
    if (exchange.isClosed) exchange.reservation?.release()
  }
  function hand(bytes: Buffer): void {
    try {
      receive(bytes)
    } catch (error) {
      refuse(exchange, toFerryError(error))
    }
  }
  if (request.headers['transfer-encoding'] === undefined && !declaredLength(request)) {
    body(Buffer.alloc(0))
    return
  }
  const rules = { maxBytes: limits.maxBodyBytes, idleMs: timeouts.bodyIdleMs, totalMs: timeouts.bodyMs }
  exchange.reservation = gatherBody(request, rules, budget, { body, fault: (error) => refuse(exchange, error) })
  continueIfExpected(exchange)
}
