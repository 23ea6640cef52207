import { createHash } from 'node:crypto'
import { type CredentialPlace, findCredential, type NamedSecret } from '@llm-ferry/kit'
import { FerryError, HEADERS } from '@llm-ferry/sdk'
import type { Context, Middleware } from '../context.ts'

/** Longest name of an end user; longer ones are refused so that they cannot fill memory. */
const MAX_USER_LENGTH = 256

/** Where the vendors' SDKs put a key; a client of any of them is welcome. */
export const PLACES: readonly CredentialPlace[] = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key']

/**
 * Lets pass who shows one of the keys. The end user is `x-ferry-user`, else the key itself; a route that reads a body
 * may know better.
 *
 * @param placesOf where the key may be. Default: wherever a vendor's SDK puts it in a header.
 */
export function auth(
  keys: readonly NamedSecret[],
  placesOf: (context: Context) => readonly CredentialPlace[] = () => PLACES,
): Middleware {
  // Looked up by digest: how long a look-up takes says nothing about how much of a guess was right.
  const names = new Map(keys.map(({ name, secret }) => [digest(secret), name]))

  return async function auth(context, next) {
    const places = placesOf(context)
    const query = places.includes('query') ? context.querystring : ''
    const credential = findCredential(context.req.rawHeaders, query, places)
    if (credential.kind === 'fault') throw new FerryError('authentication_failed', credential.message)
    const key = names.get(digest(credential.value))
    if (key === undefined) throw new FerryError('authentication_failed', 'This API key is not known here')
    context.state.caller = { key, user: namedUser(context.get(HEADERS.user)) ?? key }
    context.state.facts.keyName = key
    await next()
  }
}

function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('base64')
}

/** An end user's name as it was sent; `undefined` when none was. */
export function namedUser(value: string | undefined): string | undefined {
  const user = value?.trim()
  if (!user) return undefined
  if (user.length <= MAX_USER_LENGTH) return user
  throw new FerryError(
    'invalid_request',
    `The end user’s name is longer than ${MAX_USER_LENGTH} characters: send a shorter id`,
    {
      param: 'user',
    },
  )
}
