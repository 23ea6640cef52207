import type { ExchangeRef } from '@llm-ferry/sdk/link'
import type { Party } from '../context.ts'
import type { Reservation } from '../limits/limiter.ts'
import type { AnswerHead } from './recording.ts'

/** What a process that takes a call over must know, so that it answers with the same bytes and counts nothing twice. */
export interface Handover {
  /** The request id that the call was admitted by, and answers with. */
  readonly callId: string
  /** When it was asked, in seconds since 1970: `created` of answers whose vendor does not say. */
  readonly askedAt: number
  /** Whom it is sent for; names the exchange's scope. */
  caller?: Party
  /** Where its answer is. */
  exchange?: ExchangeRef
  /** Whom it was last sent to. */
  target?: { readonly vendor: string; readonly model: string }
  /** What it holds of the limits. */
  reservation?: Reservation
  /** The head that its callers have. */
  head?: AnswerHead
}
