import { createHash, createHmac } from 'node:crypto'
import { FerryError } from '@llm-ferry/sdk'
import type { Party } from '../context.ts'

/** Longest key that is taken, in characters. */
const MAX_KEY_LENGTH = 255

/** What a call is known by: its name is the caller's alone, and its digest tells one request from another. */
export interface CallIdentity {
  readonly name: string
  readonly digest: string
  /** What its answer is sealed with: 32 bytes that only the same key and request yield, and that are kept nowhere. */
  readonly secret: Buffer
}

/**
 * A key as it was sent; `undefined` for none.
 *
 * @throws {FerryError} `invalid_request` for one that is too long, or holds more than printable ASCII.
 */
export function checkIdempotencyKey(key: string | undefined): string | undefined {
  if (key === undefined) return undefined
  if (key !== '' && key.length <= MAX_KEY_LENGTH && /^[\x21-\x7e]+$/.test(key)) return key
  throw new FerryError(
    'invalid_request',
    `Idempotency-Key must be 1 to ${MAX_KEY_LENGTH} printable ASCII characters without spaces, such as a UUID`,
    { param: 'idempotency-key' },
  )
}

/** The name of a call: nobody with another key, end user or route can say it. */
export function callName({ key, user }: Party, route: string, idempotencyKey: string): string {
  return digestOf(JSON.stringify([key, user, route, idempotencyKey]))
}

/** What is known of a request. */
export interface KeyedBody {
  readonly url: string
  readonly body: Buffer
  /** Of a form, whose boundary is another one each time that a client sends it. */
  readonly contentType: string
}

/** Who a call is, of this caller on this route. What makes two POSTs the same is their address and body. */
export function identify(caller: Party, route: string, idempotencyKey: string, asked: KeyedBody): CallIdentity {
  const { url, body, contentType } = asked
  const [, quoted, bare] = /^multipart\/.*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? []
  const boundary = quoted ?? bare
  const same = boundary === undefined ? body : Buffer.from(body.toString('latin1').replaceAll(boundary, ''), 'latin1')
  const print = createHash('sha512')
    .update(JSON.stringify(['POST', url]))
    .update(same)
    .digest()
  return {
    name: callName(caller, route, idempotencyKey),
    digest: print.subarray(0, 32).toString('base64url'),
    secret: createHmac('sha256', print.subarray(32)).update(idempotencyKey).digest(),
  }
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('base64url')
