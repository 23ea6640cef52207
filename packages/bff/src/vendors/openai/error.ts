import type { ErrorCode, FerryError } from '@llm-ferry/sdk'
import { codeOfStatus, type ErrorFacts, ferryError, vendorError } from '../shared/error.ts'
import { type Json, record, text } from '../shared/json.ts'
import type { Target, WireError } from '../vendor.ts'

// Codes and types, OpenAI's first, then those of vendors who speak its dialect.
const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['context_length_exceeded', 'context_length_exceeded'],
  ['string_above_max_length', 'context_length_exceeded'],
  ['content_policy_violation', 'content_policy_violation'],
  ['content_filter', 'content_policy_violation'],
  ['data_inspection_failed', 'content_policy_violation'],
  ['DataInspectionFailed', 'content_policy_violation'],
  ['insufficient_quota', 'vendor_quota_exhausted'],
  ['billing_hard_limit_reached', 'vendor_quota_exhausted'],
  ['exceeded_current_quota_error', 'vendor_quota_exhausted'],
  ['Arrearage', 'vendor_quota_exhausted'],
  ['rate_limit_exceeded', 'vendor_rate_limited'],
  ['rate_limit_error', 'vendor_rate_limited'],
  ['invalid_api_key', 'vendor_key_rejected'],
  ['authentication_error', 'vendor_key_rejected'],
  ['model_not_found', 'model_not_found'],
  ['overloaded_error', 'vendor_overloaded'],
  ['engine_overloaded_error', 'vendor_overloaded'],
  ['server_error', 'vendor_error'],
  ['internal_server_error', 'vendor_error'],
  ['invalid_request_error', 'invalid_request'],
])

// Many vendors of this dialect give a prompt that is too long no code of its own, only these words.
const TOO_LONG = /maximum context length|context window|prompt is too long|input is too long|max.{0,10}input length/i
const FILTERED = /content exists risk|content policy|inappropriate content/i

export function mapError(error: WireError, target: Target): FerryError {
  return ferryError(error, facts(error.body, error.status), target)
}

/** An error inside a stream, or inside a 200. */
export function streamError(body: unknown, target: Target): FerryError {
  return vendorError(facts(body, 500), target)
}

function facts(body: unknown, status: number): ErrorFacts {
  const outer = record(body)
  const error: Json = record(outer?.error) ?? outer ?? {}
  const message = text(error.message) ?? text(outer?.error) ?? text(body)
  const code = text(error.code)
  const type = text(error.type)
  return {
    code: codeOf(code, type, message, status),
    message,
    vendorCode: code ?? type,
    param: text(error.param),
  }
}

function codeOf(
  code: string | undefined,
  type: string | undefined,
  message: string | undefined,
  status: number,
): ErrorCode {
  const byStatus = codeOfStatus(status)
  if (byStatus === 'vendor_key_rejected') return byStatus
  const known = CODES.get(code ?? '') ?? CODES.get(type ?? '')
  if (known && known !== 'invalid_request') return known
  const bad = known === 'invalid_request' || byStatus === 'invalid_request'
  if (bad && message !== undefined && TOO_LONG.test(message)) return 'context_length_exceeded'
  if (bad && message !== undefined && FILTERED.test(message)) return 'content_policy_violation'
  return status === 500 && known ? known : byStatus
}
