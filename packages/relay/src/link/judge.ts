import type { ErrorCode } from '@llm-ferry/sdk'

/** What a carrier asks for. */
export interface CarrierRequest {
  /** Vendor, method, path and digest in one text. */
  readonly fingerprint: string
  /** Undefined for a start. */
  readonly offset: number | undefined
  /** Whether the request's body came with it. */
  readonly hasBody: boolean
}

/** What a relay process knows of an exchange's name. */
export type Knowledge =
  | { readonly kind: 'free' | 'cancelled' | 'lost' }
  | {
      readonly kind: 'live'
      readonly fingerprint: string
      readonly hasReader: boolean
      /** Kept bytes: from `start` up to `end`. */
      readonly start: number
      readonly end: number
    }

/** Why a carrier gets nothing. */
export interface Refusal {
  readonly kind: 'refuse'
  readonly code: ErrorCode
  readonly message: string
  /** Whether the vendor may have seen the request. */
  readonly reached: boolean
}

/** What is done with a carrier. */
export type Verdict = { readonly kind: 'start' } | { readonly kind: 'attach'; readonly offset: number } | Refusal

const refuse = (code: ErrorCode, reached: boolean, message: string): Refusal => ({
  kind: 'refuse',
  code,
  message,
  reached,
})

/** The exchange was claimed and is not here. */
export const LOST: Refusal = refuse('exchange_lost', true, 'The answer of this exchange is no longer here.')

/** What happens to a carrier: the table of docs/link.md. */
export function judge(carrier: CarrierRequest, known: Knowledge): Verdict {
  switch (known.kind) {
    case 'free':
      return judgeFree(carrier)
    case 'cancelled':
      return refuse('client_closed', false, 'This exchange was cancelled before it began.')
    case 'lost':
      return LOST
    case 'live':
      return judgeLive(carrier, known)
  }
}

/** Whether a carrier starts an exchange that is free. */
export const startsWhatIsFree = ({ offset = 0, hasBody }: CarrierRequest): boolean => offset === 0 && hasBody

function judgeFree(carrier: CarrierRequest): Verdict {
  const { offset = 0 } = carrier
  if (startsWhatIsFree(carrier)) return { kind: 'start' }
  if (offset > 0) return refuse('range_not_satisfiable', false, 'This exchange has not begun.')
  return refuse('not_found', false, 'This exchange has not begun. Send its body.')
}

function judgeLive(carrier: CarrierRequest, known: Knowledge & { kind: 'live' }): Verdict {
  const { offset = 0 } = carrier
  if (carrier.fingerprint !== known.fingerprint) {
    return refuse('conflict', true, 'This exchange belongs to another request.')
  }
  // A start may be a late original, whose caller reads elsewhere by now.
  if (carrier.offset === undefined && known.hasReader) {
    return refuse('conflict', true, 'This exchange runs already and is being read.')
  }
  if (offset < known.start) return refuse('exchange_lost', true, 'These bytes are no longer kept.')
  if (offset > known.end) return refuse('range_not_satisfiable', true, 'The answer is not that long.')
  return { kind: 'attach', offset }
}
