import { FerryError } from '../errors.ts'
import { ERRORS, type ErrorCode } from '../schema/errors.ts'
import { HEADERS } from '../schema/headers.ts'

/** A vendor's answer that crossed the link, or an error that reads like one. */
export interface LinkAnswer {
  readonly status: number
  readonly reason: string
  /** Names and values alternating. */
  readonly headers: readonly string[]
  /** Throws a {@link FerryError} when the answer breaks off for good: it never ends early in good order. */
  readonly body: AsyncIterable<Uint8Array>
  /** Host of the relay that carried it; undefined when none did. */
  readonly relay: string | undefined
}

/** First value of a header, by its lower-case name. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === name)
  return at === -1 ? undefined : headers[at + 1]
}

// Read by all vendors' SDKs. Google's wants a number where the others want a word.
function errorBody(code: ErrorCode, status: number, message: string, isGemini: boolean): Buffer {
  const error = { type: 'api_error', code: isGemini ? status : code, message, param: null, status: 'UNAVAILABLE' }
  return Buffer.from(JSON.stringify({ type: 'error', error }))
}

/**
 * An error of the link's own as an answer. Not an exception: the vendors' SDKs repeat a request whose fetch throws, and
 * one that may have been billed must not be repeated.
 *
 * @param path path of the request, which tells the vendor.
 * @param wasReached whether the vendor may have seen it.
 */
export function errorAnswer(code: ErrorCode, message: string, path: string, wasReached: boolean): LinkAnswer {
  const { status, retryable } = ERRORS[code]
  const body = errorBody(code, status, message, path.includes('/proxy/gemini/'))
  const headers = ['content-type', 'application/json', 'content-length', String(body.length)]
  headers.push(HEADERS.error, code, HEADERS.reached, wasReached ? 'unknown' : 'no')
  headers.push('x-should-retry', String(retryable && !wasReached))
  return { status, reason: '', headers, body: once(body), relay: undefined }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** The answer to a request whose relay cannot say what became of it. */
export const lostAnswer = (path: string): LinkAnswer =>
  errorAnswer('exchange_lost', 'The relay that holds the answer cannot be reached. Nothing is repeated.', path, true)

export const unreachableAnswer = (path: string): LinkAnswer =>
  errorAnswer('upstream_unreachable', 'No relay could be reached.', path, false)

export const lostError = (): FerryError =>
  new FerryError('exchange_lost', 'The answer broke off, and the relay that holds its rest cannot be reached.')
