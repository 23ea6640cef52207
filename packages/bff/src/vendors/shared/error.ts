import { ERRORS, type ErrorCode, FerryError, HEADERS, isErrorCode } from '@llm-ferry/sdk'
import { retryAfterMs } from '@llm-ferry/sdk/schema'
import type { Target, WireError } from '../vendor.ts'

/** What a dialect read from a vendor's error. */
export interface ErrorFacts {
  readonly code: ErrorCode
  /** The vendor's words. Not shown for a rejected key: vendors quote the key in them. */
  readonly message?: string | undefined
  readonly vendorCode?: string | undefined
  readonly param?: string | undefined
  readonly retryAfterMs?: number | undefined
}

/** The code that a status alone tells. */
export function codeOfStatus(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'vendor_key_rejected'
  if (status === 402) return 'vendor_quota_exhausted'
  if (status === 404) return 'model_not_found'
  if (status === 413) return 'request_too_large'
  if (status === 429) return 'vendor_rate_limited'
  if (status === 503 || status === 529) return 'vendor_overloaded'
  if (status === 408 || status === 409 || status === 425 || status >= 500) return 'vendor_error'
  return status >= 400 ? 'invalid_request' : 'upstream_invalid'
}

/** Builds the error; a relay's own word on what went wrong comes first. */
export function ferryError(error: WireError, facts: ErrorFacts, target: Target): FerryError {
  const own = header(error, HEADERS.error)
  if (own !== undefined && isErrorCode(own)) return relayError(own, error, facts, target)
  return vendorError(facts, target, {
    retryAfterMs: facts.retryAfterMs ?? retryAfterMs((name) => header(error, name)),
    cause: { status: error.status, requestId: header(error, 'x-request-id') ?? header(error, 'request-id') },
  })
}

/** An error that a vendor reports, in an answer or in mid-stream. */
export function vendorError(
  facts: ErrorFacts,
  target: Target,
  more: { readonly retryAfterMs?: number | undefined; readonly cause?: unknown } = {},
): FerryError {
  const code = relayCode(facts.vendorCode) ?? facts.code
  const told = code === 'vendor_key_rejected' ? undefined : facts.message && redact(facts.message)
  return new FerryError(code, told || `${target.vendor}: ${ERRORS[code].meaning}`, {
    vendor: target.vendor,
    vendorCode: facts.vendorCode,
    param: facts.param,
    retryAfterMs: more.retryAfterMs ?? facts.retryAfterMs,
    cause: more.cause,
  })
}

// A relay reports a stream that broke off in the vendor's own shape, so that the vendor's SDKs understand it.
const FROM_RELAY: ReadonlySet<string> = new Set([
  'upstream_truncated',
  'upstream_timeout',
  'upstream_unreachable',
  'upstream_invalid',
])

function relayCode(vendorCode: string | undefined): ErrorCode | undefined {
  const code = vendorCode?.toLowerCase()
  return isErrorCode(code) && FROM_RELAY.has(code) ? code : undefined
}

// The relay knows our token, not the caller's key: its 401 must not read as if the caller's key were wrong.
function relayError(code: ErrorCode, error: WireError, facts: ErrorFacts, target: Target): FerryError {
  const ours = code === 'authentication_failed' || code === 'permission_denied'
  if (ours) {
    const message = 'The relay refused this service’s own token; its operator must correct it.'
    return new FerryError('internal_error', message, { vendor: target.vendor, vendorCode: code })
  }
  return vendorError({ code, message: facts.message }, target, {
    retryAfterMs: retryAfterMs((name) => header(error, name)),
  })
}

function header(error: WireError, name: string): string | undefined {
  const value = error.headers[name]
  return Array.isArray(value) ? value[0] : value
}

// What the vendors' keys look like. Their messages quote keys in more places than 401 alone.
const KEYS = /\b(?:sk-[\w-]{8,}|AIza[\w-]{20,}|AQ\.[\w-]{20,}|Bearer\s+[\w.~+/-]{8,}=*)|([?&]key=)[\w.-]+/g

function redact(message: string): string {
  return message.replace(KEYS, (_, query: string | undefined) => `${query ?? ''}[redacted]`)
}
