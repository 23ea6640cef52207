import { FerryError } from './errors.ts'
import { ERRORS, type ErrorCode, isErrorCode } from './schema/errors.ts'
import { HEADERS } from './schema/headers.ts'
import { retryAfterMs } from './schema/retry-after.ts'

/** The error that an answer with an error status stands for. `body` is its JSON, or its text. */
export function answeredError(status: number, headers: Headers, body: unknown): FerryError {
  if (status < 400) return redirected(status, headers)
  const told = errorField(body)
  const named = told?.code ?? headers.get(HEADERS.error)
  const code = isErrorCode(named) ? named : codeOf(status)
  return new FerryError(code, text(told?.message) ?? `${ERRORS[code].meaning} (HTTP ${status})`, {
    status,
    param: text(told?.param),
    vendor: text(told?.vendor) ?? headers.get(HEADERS.vendor) ?? undefined,
    vendorCode: text(told?.vendor_code) ?? (isErrorCode(named) ? undefined : text(named)),
    requestId: requestIdOf(headers),
    retryAfterMs: retryAfterMs((name) => headers.get(name)),
    retryable: toldToRetry(headers),
  })
}

/** The error that an event of a stream stands for; undefined when the event is none. */
export function streamedError(event: unknown, headers: Headers): FerryError | undefined {
  const told = errorField(event)
  if (!told) return undefined
  const code = isErrorCode(told.code) ? told.code : 'vendor_error'
  return new FerryError(code, text(told.message) ?? ERRORS[code].meaning, {
    param: text(told.param),
    vendor: text(told.vendor) ?? headers.get(HEADERS.vendor) ?? undefined,
    vendorCode: text(told.vendor_code) ?? (code === told.code ? undefined : text(told.code ?? told.type)),
    requestId: requestIdOf(headers),
  })
}

/** What the server says about a retry in words of its own. */
export function toldToRetry(headers: Headers): boolean | undefined {
  const word = headers.get('x-should-retry')
  return word === 'true' ? true : word === 'false' ? false : undefined
}

export function requestIdOf(headers: Headers): string | undefined {
  return headers.get(HEADERS.requestId) ?? headers.get('x-request-id') ?? undefined
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'authentication_failed',
  403: 'permission_denied',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  409: 'conflict',
  413: 'request_too_large',
  415: 'unsupported_media_type',
  429: 'rate_limit_exceeded',
  431: 'headers_too_large',
  499: 'client_closed',
  502: 'upstream_unreachable',
  503: 'overloaded',
  504: 'upstream_timeout',
}

function codeOf(status: number): ErrorCode {
  return BY_STATUS[status] ?? (status < 500 ? 'invalid_request' : 'internal_error')
}

// A redirect would turn the POST into a GET, or take the key to another host.
function redirected(status: number, headers: Headers): FerryError {
  const target = headers.get('location')
  const to =
    target === null ? 'another address' : new URL(target, 'http://relative').href.replace('http://relative', '')
  return new FerryError('upstream_invalid', `The server redirects to ${to}; set \`baseURL\` to where it really is.`, {
    ...(status === 0 ? {} : { status }),
    requestId: requestIdOf(headers),
  })
}

function errorField(body: unknown): Readonly<Record<string, unknown>> | undefined {
  const field = isRecord(body) ? body.error : undefined
  return isRecord(field) ? field : typeof field === 'string' ? { message: field } : undefined
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined
}
