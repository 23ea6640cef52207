import { ERRORS, type ErrorCode } from './schema/errors.ts'

/** Details of a {@link FerryError}; all optional. */
export interface FerryErrorOptions {
  /** HTTP status, when it differs from the table's. */
  readonly status?: number | undefined
  /** Path of the request field at fault, such as `messages[2].content`. */
  readonly param?: string | undefined
  /** Vendor that was being called. */
  readonly vendor?: string | undefined
  /** The vendor's own code or type, verbatim. */
  readonly vendorCode?: string | undefined
  /** Id that leads to the logs (`x-ferry-request-id`). */
  readonly requestId?: string | undefined
  /** How long the server asked to wait before a retry, in ms. */
  readonly retryAfterMs?: number | undefined
  /** Whether a retry may help, when it differs from the table's word. */
  readonly retryable?: boolean | undefined
  /** What caused it. */
  readonly cause?: unknown
}

// Two copies of the package in one process must still recognise each other's errors, which `instanceof` does not.
const BRAND = Symbol.for('@llm-ferry/sdk/error')

/**
 * The one error type of LLM Ferry, in the SDK and in the servers. Switch on `code`.
 *
 * @example
 * try { await ferry.chat(request) } catch (error) {
 *   if (FerryError.is(error) && error.code === 'quota_exceeded') showUpgrade()
 * }
 */
export class FerryError extends Error {
  override readonly name = 'FerryError'
  readonly [BRAND] = true
  /** Stable code from the table {@link ERRORS}. */
  readonly code: ErrorCode
  /** HTTP status that the error has, or would have, on the wire. */
  readonly status: number
  readonly param: string | undefined
  readonly vendor: string | undefined
  readonly vendorCode: string | undefined
  readonly requestId: string | undefined
  readonly retryAfterMs: number | undefined
  /** Whether the same request may succeed later. */
  readonly isRetryable: boolean

  constructor(code: ErrorCode, message: string, options: FerryErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status ?? ERRORS[code].status
    this.param = options.param
    this.vendor = options.vendor
    this.vendorCode = options.vendorCode
    this.requestId = options.requestId
    this.retryAfterMs = options.retryAfterMs
    this.isRetryable = options.retryable ?? ERRORS[code].retryable
  }

  /** Whether `value` is a FerryError, also of another copy of this package. */
  static is(value: unknown): value is FerryError {
    return typeof value === 'object' && value !== null && BRAND in value
  }
}
