import { setTimeout as sleep } from 'node:timers/promises'
import type { Address } from './address.ts'
import type { Relay } from './relay.ts'

const CREDENTIALS = new Set(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])

/** What a cancel came to. `unstarted`: the exchange had not begun, and now it cannot. */
export type Cancelled = 'ended' | 'unstarted' | 'unknown'

/** Pauses before each try, in ms: a user who leaves while the line is down must not leave a bill running. */
const PAUSES_MS: readonly number[] = [0, 100, 500, 2000, 5000, 10_000]
const TRY_MS = 3000

/** Headers that say whose exchange it is. */
export function ownerHeaders(headers: readonly string[], scope: readonly string[]): string[] {
  const kept = [...scope]
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (CREDENTIALS.has((headers[i] ?? '').toLowerCase())) kept.push(headers[i] ?? '', headers[i + 1] ?? '')
  }
  return kept
}

/**
 * Ends an exchange at its relay, whatever its state: cancels what runs, acknowledges what is finished.
 *
 * @param tries how often it is tried while the relay does not answer.
 */
export async function endExchange(
  relay: Relay,
  id: string,
  headers: readonly string[],
  tries: number = PAUSES_MS.length,
): Promise<Cancelled> {
  let address = relay.address()
  for (const pauseMs of PAUSES_MS.slice(0, tries)) {
    if (pauseMs > 0) await sleep(pauseMs, undefined, { ref: false })
    const { dispatcher } = address
    try {
      return await tryToEnd(address, id, headers)
    } catch {
      address.failed(dispatcher)
      address = relay.address(address)
    }
  }
  return 'unknown'
}

async function tryToEnd(address: Address, id: string, headers: readonly string[]): Promise<Cancelled> {
  const { statusCode, body } = await address.dispatcher.request({
    origin: address.url.origin,
    path: address.pathOf(`/exchanges/${id}`),
    method: 'DELETE',
    headers: [...headers],
    signal: AbortSignal.timeout(TRY_MS),
  })
  await body.dump()
  if (statusCode === 204) return 'ended'
  return statusCode === 404 ? 'unstarted' : 'unknown'
}
