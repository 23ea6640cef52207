import { FerryError } from './errors.ts'

// Codes of Node, undici, Bun. With one of them no byte of the request has left.
const NEVER_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'ConnectionRefused',
  'FailedToOpenSocket',
])
const TIMED_OUT = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

/**
 * The error for a `fetch` that rejected. Browsers do not tell a refused connection from a lost one, so there a POST is
 * never taken for unsent.
 */
export function connectionError(cause: unknown, method: string): FerryError {
  const codes = codesOf(cause)
  if (codes.some((code) => TIMED_OUT.has(code))) return timeoutError(cause, method)
  if (codes.length > 0 && codes.every((code) => NEVER_CONNECTED.has(code))) {
    return new FerryError('upstream_unreachable', `The server could not be reached (${codes[0]}).`, { cause })
  }
  const reason = codes[0] ?? (cause instanceof Error ? cause.message : String(cause))
  const message = `No answer: the connection failed or was lost (${reason}). The request may have arrived.`
  return new FerryError('upstream_unreachable', message, { cause, retryable: method === 'GET' })
}

/** The error for a body that broke off. */
export function lostError(cause: unknown, requestId: string | undefined): FerryError {
  if (codesOf(cause).some((code) => TIMED_OUT.has(code))) return timeoutError(cause)
  return new FerryError('upstream_truncated', 'The connection was lost before the end of the answer.', {
    cause,
    requestId,
  })
}

/** The error for an answer that did not come. A GET may be repeated; what the vendor may have billed may not. */
export function timeoutError(cause?: unknown, method?: string): FerryError {
  return new FerryError('upstream_timeout', 'The server did not answer in time; `timeoutMs` sets how long that is.', {
    cause,
    retryable: method === 'GET',
  })
}

// A host with several addresses fails with an AggregateError: one code an address.
function codesOf(error: unknown, depth = 0): string[] {
  if (typeof error !== 'object' || error === null || depth > 4) return []
  if ('errors' in error && Array.isArray(error.errors)) return error.errors.flatMap((each) => codesOf(each, depth + 1))
  if ('code' in error && typeof error.code === 'string') return [connectPhase(error, error.code)]
  return 'cause' in error ? codesOf(error.cause, depth + 1) : []
}

// ETIMEDOUT is said of connecting and of an open connection.
function connectPhase(error: object, code: string): string {
  const connecting = 'syscall' in error && error.syscall === 'connect'
  return code === 'ETIMEDOUT' && connecting ? 'UND_ERR_CONNECT_TIMEOUT' : code
}
