import { DIALECTS, type Dialect, type WireError } from '@llm-ferry/kit'
import { FerryError, HEADERS } from '@llm-ferry/sdk'
import type { Exchange } from './exchange.ts'
import { answerAndStopReading } from './linger.ts'

/** Turns whatever was thrown into an error of the table; what was not foreseen is ours. */
export function toFerryError(error: unknown): FerryError {
  if (FerryError.is(error)) return error
  return new FerryError('internal_error', 'The relay failed. The request id leads to its log.', { cause: error })
}

/** The error as the vendor's dialect words it. */
export function wireError({ id }: Exchange, { status, code, message }: FerryError): WireError {
  return { status, code, message, requestId: id }
}

/** Answers with an error of our own, in the vendor's shape. */
export function refuse(exchange: Exchange, error: FerryError): void {
  const { response } = exchange
  exchange.outcome ??= error.code === 'client_closed' ? 'client_closed' : 'refused'
  exchange.errorCode ??= error.code
  exchange.status = error.status
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const { headers, body } = errorAnswer(exchange, error)
  answerAndStopReading(exchange.request, response, error.status, headers, body)
}

/** An answer that tells of an error of our own, in the vendor's shape. */
export function errorAnswer(exchange: Exchange, error: FerryError): { headers: string[]; body: Buffer } {
  const dialect = exchange.vendor?.dialect ?? DIALECTS.openai
  const body = Buffer.from(dialect.errorBody(wireError(exchange, error)))
  return { headers: errorHeaders(exchange, error, dialect, body.length), body }
}

function errorHeaders(exchange: Exchange, error: FerryError, dialect: Dialect, length: number): string[] {
  const reached = exchange.reached ? 'unknown' : 'no'
  const headers = ['content-type', 'application/json', 'content-length', String(length)]
  headers.push(HEADERS.requestId, exchange.id, dialect.requestIdHeader, exchange.id)
  headers.push(HEADERS.error, error.code, HEADERS.reached, reached)
  // A call that the vendor may have billed is not to be repeated by an SDK on its own account.
  headers.push('x-should-retry', String(error.isRetryable && !exchange.reached))
  if (error.retryAfterMs !== undefined) headers.push('retry-after', String(Math.ceil(error.retryAfterMs / 1000)))
  if (error.status === 405) headers.push('allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
  if (error.status === 401) headers.push('www-authenticate', 'Bearer realm="llm-ferry"')
  return headers
}

/** A vendor's failure as undici tells it. Its text is not passed on: it may name addresses of the operator's network. */
export function upstreamError(error: unknown, hasHead: boolean): FerryError {
  if (FerryError.is(error)) return error
  // undici's parser names a fault by a code, or by none.
  const { code = '', name } = error as { code?: string; name?: string }
  const cause = { cause: error }
  if (code === 'UND_ERR_BODY_TIMEOUT') {
    return new FerryError('upstream_timeout', 'The vendor’s answer stood still for too long.', cause)
  }
  if (hasHead) return new FerryError('upstream_truncated', 'The vendor’s answer broke off before its end.', cause)
  if (name === 'HTTPParserError' || /^(ERR_INVALID_CHAR|ERR_HTTP_|UND_ERR_(HEADERS_OVERFLOW|RES_))/.test(code)) {
    return new FerryError('upstream_invalid', 'The vendor’s answer is no valid HTTP.', cause)
  }
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
    return new FerryError('invalid_request', 'The request has a header or path that cannot be sent on.', cause)
  }
  return new FerryError('upstream_unreachable', 'The vendor could not be reached.', cause)
}

/** The vendor closed the connection after it got the request and before it answered. */
export function upstreamReset(cause: unknown): FerryError {
  const options = { cause, retryable: false }
  return new FerryError('upstream_truncated', 'The vendor closed the connection without an answer.', options)
}
