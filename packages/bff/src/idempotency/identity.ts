import { createHash } from 'node:crypto'
import { FerryError } from '@llm-ferry/sdk'
import type { Party } from '../context.ts'

/** Longest key that is taken, in characters. */
const MAX_KEY_LENGTH = 255

/** What a call is known by: its name is the caller's alone, and its digest tells one request from another. */
export interface CallIdentity {
  readonly name: string
  readonly digest: string
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

/**
 * What makes two requests the same: method, address and body.
 *
 * @param contentType of a form, whose boundary is another one each time that a client sends it.
 */
export function requestDigest(method: string, url: string, body: Buffer, contentType: string): string {
  const [, quoted, bare] = /^multipart\/.*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? []
  const boundary = quoted ?? bare
  const same = boundary === undefined ? body : Buffer.from(body.toString('latin1').replaceAll(boundary, ''), 'latin1')
  return createHash('sha256')
    .update(JSON.stringify([method, url]))
    .update(same)
    .digest('base64url')
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('base64url')
