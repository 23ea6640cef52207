import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Kept, newRequestId } from '@llm-ferry/kit'
import { HEADERS } from '@llm-ferry/sdk'
import type { Reservation } from './body.ts'
import type { PoolKey } from './keys.ts'
import type { Token } from './tokens.ts'
import type { Vendor } from './vendor.ts'

/** How an exchange ended. */
export type Outcome =
  /** The vendor's answer, whatever its status, reached the caller whole. */
  | 'completed'
  /** The relay answered with an error of its own. */
  | 'refused'
  /** The caller left before the end. */
  | 'client_closed'
  /** The caller left its answer unread for too long. */
  | 'client_stalled'
  /** The vendor's answer broke off after its head. */
  | 'upstream_truncated'
  /** The relay's time to drain was over. */
  | 'drained'
  /** Both sides of a WebSocket were silent for too long. */
  | 'idle'

/**
 * One request and its answer, with what the access line and the metrics say of it. Times are `performance.now()`.
 */
export class Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly id: string
  readonly startedAt: number = performance.now()
  /** Where it came from, proxies seen through. */
  address = ''
  vendor: Vendor | undefined
  token: Token | undefined
  key: PoolKey | undefined
  /** Path without query and credentials; for the access line. */
  path = ''
  operation = ''
  /** Whether the vendor may have seen the request. */
  reached = false
  status = 0
  outcome: Outcome | undefined
  errorCode: string | undefined
  vendorRequestId: string | undefined
  bytesIn = 0
  bytesOut = 0
  /** When the request went to the vendor, its head came, its first byte came. */
  sentAt: number | undefined
  headAt: number | undefined
  firstByteAt: number | undefined
  /** Room that its body holds. */
  reservation: Reservation | undefined
  /** Ends the vendor's side; set while there is one. */
  abort: ((reason: Outcome) => void) | undefined
  /** What takes it from those that run. */
  running: Kept<Exchange> | undefined
  /** Whether it only carries a durable exchange, whose call to the vendor is recorded on its own. */
  isCarrier = false

  constructor(request: IncomingMessage, response: ServerResponse, id: string = requestId(request)) {
    this.request = request
    this.response = response
    this.id = id
  }

  get isClosed(): boolean {
    return this.response.destroyed
  }
}

// A BFF in front gives its own id, so that one id leads through the logs of both hops.
function requestId({ headers }: IncomingMessage): string {
  const given = headers[HEADERS.requestId]
  return typeof given === 'string' && /^[A-Za-z0-9._-]{8,64}$/.test(given) ? given : newRequestId()
}
