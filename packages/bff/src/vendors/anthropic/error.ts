import type { ErrorCode, FerryError } from '@llm-ferry/sdk'
import { codeOfStatus, type ErrorFacts, ferryError, vendorError } from '../shared/error.ts'
import { type Json, record, text } from '../shared/json.ts'
import type { Target, WireError } from '../vendor.ts'

const TYPES: ReadonlyMap<string, ErrorCode> = new Map([
  ['invalid_request_error', 'invalid_request'],
  ['authentication_error', 'vendor_key_rejected'],
  ['permission_error', 'vendor_key_rejected'],
  ['billing_error', 'vendor_quota_exhausted'],
  ['not_found_error', 'model_not_found'],
  ['request_too_large', 'request_too_large'],
  ['rate_limit_error', 'vendor_rate_limited'],
  ['timeout_error', 'vendor_error'],
  ['api_error', 'vendor_error'],
  ['overloaded_error', 'vendor_overloaded'],
])

// All of these come as invalid_request_error; only their words tell them apart.
const TOO_LONG = /prompt is too long|exceed(?:s|ed)? (?:the )?(?:model's )?(?:maximum )?context|context window/i
const FILTERED = /content filtering policy|usage polic/i
const NO_CREDIT = /credit balance is too low/i

export function mapError(error: WireError, target: Target): FerryError {
  return ferryError(error, facts(error.body, error.status), target)
}

/** An error inside a stream, or inside a 200. */
export function streamError(body: Json, target: Target): FerryError {
  return vendorError(facts(body, 500), target)
}

function facts(body: unknown, status: number): ErrorFacts {
  const error = record(record(body)?.error)
  const message = text(error?.message) ?? text(body)
  const type = text(error?.type)
  const code = text(record(error?.details)?.error_code)
  return { code: codeOf(type, message ?? '', status), message, vendorCode: code ?? type }
}

function codeOf(type: string | undefined, message: string, status: number): ErrorCode {
  const byStatus = codeOfStatus(status)
  if (byStatus === 'vendor_key_rejected') return byStatus
  const known = TYPES.get(type ?? '') ?? byStatus
  if (known !== 'invalid_request') return known
  if (NO_CREDIT.test(message)) return 'vendor_quota_exhausted'
  if (TOO_LONG.test(message)) return 'context_length_exceeded'
  return FILTERED.test(message) ? 'content_policy_violation' : known
}
