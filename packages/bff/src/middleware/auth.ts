import { type AddressSet, type CredentialPlace, clientAddress, findCredential } from '@llm-ferry/kit'
import { FerryError, HEADERS } from '@llm-ferry/sdk'
import type { Caller, Context, Middleware } from '../context.ts'
import { narrowed } from '../keys/access.ts'
import type { Key } from '../keys/key.ts'
import { narrowedPolicy } from '../keys/narrow.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { Seals } from '../keys/seals.ts'
import { type SessionClaims, SessionTokens } from '../keys/session-tokens.ts'
import type { Refusals } from './admin-auth.ts'
import { Throttle } from './throttle.ts'

/** Longest name of an end user; longer ones are refused so that they cannot fill memory. */
const MAX_USER_LENGTH = 256

/** Where the vendors' SDKs put a key; a client of any of them is welcome. */
export const PLACES: readonly CredentialPlace[] = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key']

/**
 * Strange keys from one address in a minute, after which strange keys from there get 429. A key that is known passes all
 * the same: behind one address there may be a thousand honest callers, and keys are too long to be guessed.
 */
const MAX_FAILURES = 60

export const createFailures = (): Throttle =>
  new Throttle({ points: MAX_FAILURES, seconds: 60, message: 'Too many keys from this address are not known here' })

export interface AuthOptions {
  readonly failures: Throttle
  readonly ring: KeyRing
  readonly sessions: SessionTokens
  readonly seals: Seals
  /** Proxies in front, whose X-Forwarded-For is believed. */
  readonly trustedProxies: AddressSet
  readonly refusals: Refusals
  /** Whether all keys are known; until then a strange one may be one of them. */
  readonly knowsAll: () => boolean
}

/**
 * Lets pass who shows one of the keys. The end user is `x-ferry-user`, else the key itself; a route that reads a body
 * may know better.
 *
 * @param placesOf where the key may be. Default: wherever a vendor's SDK puts it in a header.
 */
export function auth(
  { ring, sessions, seals, trustedProxies, failures, refusals, knowsAll }: AuthOptions,
  placesOf: (context: Context) => readonly CredentialPlace[] = () => PLACES,
): Middleware {
  async function refuse(context: Context): Promise<void> {
    if (!knowsAll()) {
      throw new FerryError('overloaded', 'Keys cannot be checked at the moment: try again', { retryAfterMs: 1000 })
    }
    await failures.count(addressOf(context, trustedProxies)).catch((error: unknown) => {
      refusals('api', 'throttled')
      throw error
    })
    refusals('api', 'unknown')
    throw new FerryError('authentication_failed', 'This API key is not known here')
  }

  return function auth(context, next) {
    const places = placesOf(context)
    const query = places.includes('query') ? context.querystring : ''
    const credential = findCredential(context.req.rawHeaders, query, places)
    if (credential.kind === 'fault') throw new FerryError('authentication_failed', credential.message)
    const { value } = credential
    const claims = SessionTokens.isOne(value) ? sessions.read(value) : undefined
    const find = (): Key | undefined => (claims ? ring.get(claims.k) : ring.find(value))
    const key = find()
    if (key === undefined) return refuse(context)
    context.state.facts.keyName = key.record.name
    requireGood(key, claims)
    context.state.requireStanding = () => requireGood(find() ?? deleted(), claims)
    if (key.addresses) requireAddress(key.addresses, addressOf(context, trustedProxies))
    if (claims) {
      context.state.caller = sessionCallerOf(key, claims)
    } else {
      seals.shown(key.record.id, value)
      context.state.caller = callerOf(key, namedUser(decodedUser(context.get(HEADERS.user))))
    }
    return next()
  }
}

/** The address a request comes from, behind trusted proxies. */
export function addressOf({ req }: Context, trusted: AddressSet): string {
  // Node joins the header's lines with commas.
  const forwarded = req.headers['x-forwarded-for']
  return clientAddress(
    req.socket.remoteAddress ?? '',
    Array.isArray(forwarded) ? forwarded.join(',') : forwarded,
    trusted,
  )
}

/** @throws {FerryError} `authentication_failed` for a key, or a session token of it, that may not be used any more. */
function requireGood(key: Key, claims: SessionClaims | undefined): void {
  requireUsable(key)
  if (claims) requireLiving(claims, key)
}

function deleted(): never {
  throw new FerryError('authentication_failed', 'This API key was deleted or rotated: ask its operator')
}

/** @throws {FerryError} `authentication_failed` for a key that is switched off or whose time is over. */
function requireUsable({ record, expiresAtMs }: Key): void {
  if (record.disabled) throw new FerryError('authentication_failed', 'This API key is disabled: ask its operator')
  if (expiresAtMs <= Date.now()) {
    throw new FerryError('authentication_failed', `This API key has expired (${record.expiresAt}): ask its operator`)
  }
}

function requireAddress(allowed: AddressSet, address: string): void {
  if (allowed.has(address)) return
  throw new FerryError(
    'permission_denied',
    `This key may not be used from ${address}: its \`ips\` name other addresses`,
  )
}

function callerOf({ record, policy, access }: Key, user: string | undefined): Caller {
  const { id, name, native, labels } = record
  return { key: id, keyName: name, user: user ?? id, policy, access, native, labels, isSession: false }
}

/** @throws {FerryError} `authentication_failed` for a token whose time is over, or whose key has been rotated. */
function requireLiving({ e, g }: SessionClaims, { record }: Key): void {
  const fault =
    e * 1000 <= Date.now() ? 'has expired' : g === record.generation ? undefined : 'was revoked with its key'
  if (fault) throw new FerryError('authentication_failed', `This session token ${fault}: get a new one`)
}

function sessionCallerOf(key: Key, { u, m, n, l }: SessionClaims): Caller {
  return {
    ...callerOf(key, u),
    policy: l ? narrowedPolicy(key.policy, l) : key.policy,
    access: m ? narrowed(key.access, { models: m }) : key.access,
    native: n === 'full' ? key.record.native : (n ?? 'none'),
    isSession: true,
  }
}

/**
 * The end user's name that the header has: UTF-8, percent-encoded, because headers carry none (RFC 9110, 5.5). The same
 * user counts as one, however much of the name a client encodes.
 *
 * @throws {FerryError} 400 naming the header.
 */
function decodedUser(value: string): string {
  if (/^[\x20-\x24\x26-\x7e]*$/.test(value)) return value
  try {
    if (/^[\x20-\x7e]*$/.test(value)) return decodeURIComponent(value)
  } catch {
    // Said below.
  }
  const message = `${HEADERS.user} is not percent-encoded UTF-8: send encodeURIComponent(user)`
  throw new FerryError('invalid_request', message, { param: HEADERS.user })
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
