import { type BodyBudget, checkDeclared, declaredLength, gatherBody } from '../body.ts'
import type { RelayConfig } from '../config.ts'
import { refuse, toFerryError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { continueIfExpected } from '../forward.ts'

/**
 * Gathers a carrier's body, of whatever type, and hands it over; what `receive` throws becomes the answer.
 *
 * @throws {FerryError} for a body that is refused by its head.
 */
export function receiveBody(
  exchange: Exchange,
  { limits, timeouts }: RelayConfig,
  budget: BodyBudget,
  receive: (body: Buffer) => void,
): void {
  const { request } = exchange
  checkDeclared(request, limits.maxBodyBytes)
  const body = (bytes: Buffer): void => {
    exchange.bytesIn = bytes.length
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
