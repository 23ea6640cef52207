import type { ErrorCode, FerryError } from '@llm-ferry/sdk'
import { codeOfStatus, type ErrorFacts, ferryError, vendorError } from '../shared/error.ts'
import { count, type Json, list, record, text } from '../shared/json.ts'
import type { Target, WireError } from '../vendor.ts'

const STATUSES: ReadonlyMap<string, ErrorCode> = new Map([
  ['INVALID_ARGUMENT', 'invalid_request'],
  ['FAILED_PRECONDITION', 'invalid_request'],
  ['OUT_OF_RANGE', 'invalid_request'],
  ['UNAUTHENTICATED', 'vendor_key_rejected'],
  ['PERMISSION_DENIED', 'vendor_key_rejected'],
  ['NOT_FOUND', 'model_not_found'],
  ['RESOURCE_EXHAUSTED', 'vendor_rate_limited'],
  ['INTERNAL', 'vendor_error'],
  ['UNKNOWN', 'vendor_error'],
  ['ABORTED', 'vendor_error'],
  ['CANCELLED', 'vendor_error'],
  ['DEADLINE_EXCEEDED', 'vendor_error'],
  ['UNAVAILABLE', 'vendor_overloaded'],
])

// Comes as INVALID_ARGUMENT without a reason of its own.
const TOO_LONG = /exceeds the maximum number of tokens|input token count/i

export function mapError(error: WireError, target: Target): FerryError {
  return ferryError(error, facts(error.body, error.status), target)
}

/** An error inside a stream, or inside a 200. */
export function streamError(body: unknown, target: Target): FerryError {
  const status = count(record(record(body)?.error)?.code)
  return vendorError(facts(body, status ?? 500), target)
}

function facts(body: unknown, status: number): ErrorFacts {
  // Some proxies and older clients' streams wrap the error in a list.
  const error = record(record(Array.isArray(body) ? body[0] : body)?.error)
  const message = text(error?.message) ?? text(body)
  const details = list(error?.details).flatMap((each): Json[] => [record(each) ?? {}])
  const reason = details.map((detail) => text(detail.reason)).find((each) => each !== undefined)
  const code = codeOf(text(error?.status), reason, message ?? '', status)
  return { code, message, vendorCode: reason ?? text(error?.status), retryAfterMs: retryDelay(details) }
}

function codeOf(name: string | undefined, reason: string | undefined, message: string, status: number): ErrorCode {
  // A bad key is a 400 at this vendor.
  if (reason === 'API_KEY_INVALID' || /api key (?:not valid|expired)/i.test(message)) return 'vendor_key_rejected'
  const known = STATUSES.get(name ?? '') ?? codeOfStatus(status)
  return known === 'invalid_request' && TOO_LONG.test(message) ? 'context_length_exceeded' : known
}

/** `google.rpc.RetryInfo`: `{"retryDelay": "13s"}`. */
function retryDelay(details: readonly Json[]): number | undefined {
  for (const detail of details) {
    const match = /^(\d+(?:\.\d+)?)s$/.exec(text(detail.retryDelay) ?? '')
    if (match) return Math.ceil(Number(match[1]) * 1000)
  }
  return undefined
}
