import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { FerryError } from '@llm-ferry/sdk'
import { DIGEST, EXCHANGE_ID, LINK_HEADERS } from '@llm-ferry/sdk/link/wire'

/** What a request's headers ask of the link. */
export interface LinkRequest {
  readonly id: string
  readonly scope: string
  /** Undefined for a start. */
  readonly offset: number | undefined
  /** What the caller says its body hashes to. */
  readonly digest: string | undefined
  /** How the body that came is encoded; undefined: not at all. */
  readonly encoding: string | undefined
  /** Digest of the body that this one builds on. */
  readonly base: string | undefined
  readonly isFramed: boolean
  /** The packings of frames that the caller understands. */
  readonly packings: string | undefined
  /** Whether the caller asks to keep its body for later ones to build on. */
  readonly keeps: boolean
}

/** Whether a request is to be durable. */
export const isDurable = (headers: IncomingHttpHeaders): boolean => headers[LINK_HEADERS.exchange] !== undefined

/** The id that `DELETE /exchanges/{id}` names; undefined for any other request. */
export function exchangeToCancel({ method, url = '' }: IncomingMessage): string | undefined {
  const path = '/exchanges/'
  return method === 'DELETE' && url.startsWith(path) ? url.slice(path.length) : undefined
}

/**
 * Reads the link's headers.
 *
 * @throws {FerryError} `invalid_request` naming the header at fault.
 */
export function readLinkRequest(headers: IncomingHttpHeaders): LinkRequest {
  const digest = text(headers, LINK_HEADERS.digest)
  if (digest !== undefined && !DIGEST.test(digest)) throw fault(LINK_HEADERS.digest, 'must be a SHA-256 in hexadecimal')
  return {
    id: checkExchangeId(text(headers, LINK_HEADERS.exchange) ?? ''),
    scope: text(headers, LINK_HEADERS.scope) ?? '',
    offset: offsetOf(text(headers, LINK_HEADERS.offset)),
    digest: digest?.toLowerCase(),
    encoding: text(headers, LINK_HEADERS.encoding),
    base: baseOf(text(headers, LINK_HEADERS.dictionary), digest),
    isFramed: text(headers, LINK_HEADERS.frames) === '1',
    packings: text(headers, LINK_HEADERS.pack),
    keeps: text(headers, LINK_HEADERS.keep) === '1',
  }
}

function baseOf(base: string | undefined, digest: string | undefined): string | undefined {
  if (base === undefined) return undefined
  if (!DIGEST.test(base)) throw fault(LINK_HEADERS.dictionary, 'must be a SHA-256 in hexadecimal')
  // Without it nothing would tell that the two ends have built on different bytes.
  if (digest === undefined) throw fault(LINK_HEADERS.digest, `must come along with ${LINK_HEADERS.dictionary}`)
  return base.toLowerCase()
}

/** The id, when it is one. Throws `invalid_request` otherwise. */
export function checkExchangeId(id: string): string {
  if (EXCHANGE_ID.test(id)) return id
  throw fault(LINK_HEADERS.exchange, 'must be AFFINITY.RANDOM with at least 22 characters of RANDOM (A-Z a-z 0-9 _ -)')
}

function offsetOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const offset = Number(value)
  if (!/^\d{1,15}$/.test(value)) throw fault(LINK_HEADERS.offset, 'must be a number of bytes')
  return offset
}

const text = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name]
  return value === undefined ? undefined : String(value)
}

const fault = (header: string, problem: string): FerryError =>
  new FerryError('invalid_request', `${header} ${problem}.`, { param: header })
