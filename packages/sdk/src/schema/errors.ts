/** What one error code means everywhere: at the relay, at the BFF, and in the SDK's {@link FerryError}. */
export interface ErrorSpec {
  /** HTTP status of an answer that carries this code. */
  readonly status: number
  /** Whether the same request may succeed later. A caller still obeys `retry-after` and `x-should-retry`. */
  readonly retryable: boolean
  /** What it means and what to do, for the reference. */
  readonly meaning: string
}

/**
 * The one table of error codes. A code is stable; its message may change, so match codes.
 *
 * Vendors' own codes are kept beside it (`FerryError.vendorCode`), never in place of it.
 */
export const ERRORS = {
  invalid_request: { status: 400, retryable: false, meaning: 'The request is malformed; `param` names the field.' },
  unsupported_parameter: {
    status: 400,
    retryable: false,
    meaning: 'The target cannot do what `param` asks for, and leaving it out would change the answer.',
  },
  context_length_exceeded: { status: 400, retryable: false, meaning: 'The prompt is longer than the model reads.' },
  content_policy_violation: { status: 400, retryable: false, meaning: 'The vendor refused the prompt.' },
  authentication_failed: {
    status: 401,
    retryable: false,
    meaning: 'No credential, more than one, or one that is not known here.',
  },
  permission_denied: { status: 403, retryable: false, meaning: 'The key may not use this model, vendor or address.' },
  client_certificate_refused: {
    status: 403,
    retryable: false,
    meaning:
      'The relay’s door takes callers with a client certificate only (mTLS), and this one showed none, or one that is not good there.',
  },
  operation_not_allowed: {
    status: 403,
    retryable: false,
    meaning: 'The operation keeps state in a shared vendor account; the key needs `native: full`.',
  },
  not_found: { status: 404, retryable: false, meaning: 'No such route or object.' },
  model_not_found: { status: 404, retryable: false, meaning: 'No vendor here serves this model.' },
  vendor_not_found: { status: 404, retryable: false, meaning: 'No vendor of this name is configured.' },
  method_not_allowed: { status: 405, retryable: false, meaning: 'The route exists, not with this method.' },
  request_timeout: { status: 408, retryable: true, meaning: 'The caller sent its request too slowly.' },
  conflict: {
    status: 409,
    retryable: false,
    meaning: 'The same exchange id came with another body; or what was to be changed is not free, or has changed.',
  },
  exchange_lost: {
    status: 410,
    retryable: false,
    meaning: 'The relay process that held the answer is gone; the vendor may have billed it. Nothing is repeated.',
  },
  request_too_large: { status: 413, retryable: false, meaning: 'The body is larger than the limit.' },
  range_not_satisfiable: { status: 416, retryable: false, meaning: 'The offset lies beyond what exists.' },
  unsupported_media_type: { status: 415, retryable: false, meaning: 'The body is in an encoding not understood here.' },
  idempotency_mismatch: { status: 422, retryable: false, meaning: 'The same Idempotency-Key came with another body.' },
  headers_too_large: { status: 431, retryable: false, meaning: 'The request’s headers are larger than the limit.' },
  rate_limit_exceeded: { status: 429, retryable: true, meaning: 'Too many requests; `retry-after` says when.' },
  quota_exceeded: { status: 429, retryable: false, meaning: 'A quota is used up for longer than a minute.' },
  vendor_rate_limited: { status: 429, retryable: true, meaning: 'The vendor limits our account.' },
  client_closed: { status: 499, retryable: false, meaning: 'The caller left before the answer.' },
  internal_error: { status: 500, retryable: false, meaning: 'A fault of ours; the request id leads to the log.' },
  vendor_error: { status: 502, retryable: true, meaning: 'The vendor answered with an error of its own.' },
  vendor_key_rejected: {
    status: 502,
    retryable: false,
    meaning: 'The vendor refused the operator’s key. The caller’s own key is fine.',
  },
  vendor_quota_exhausted: {
    status: 502,
    retryable: false,
    meaning: 'The vendor account is out of credit. Its operator must add some; the caller’s own quota is fine.',
  },
  upstream_unreachable: { status: 502, retryable: true, meaning: 'No connection to the next hop could be made.' },
  upstream_invalid: { status: 502, retryable: false, meaning: 'The next hop’s answer could not be understood.' },
  upstream_truncated: {
    status: 502,
    retryable: true,
    meaning: 'The answer broke off before its end. What was received is incomplete.',
  },
  overloaded: { status: 503, retryable: true, meaning: 'This service holds all it can; try again soon.' },
  draining: { status: 503, retryable: true, meaning: 'This process is about to stop; another one takes the request.' },
  vendor_not_configured: { status: 503, retryable: false, meaning: 'No key is configured for this vendor.' },
  vendor_overloaded: { status: 503, retryable: true, meaning: 'The vendor is overloaded.' },
  upstream_timeout: {
    status: 504,
    retryable: false,
    meaning: 'The next hop did not answer in time. The vendor may have billed it, so nothing repeats it by itself.',
  },
} as const satisfies Record<string, ErrorSpec>

/** A code of {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS

/** Whether `value` is a code of {@link ERRORS}. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value)
}
