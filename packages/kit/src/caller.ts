import type { CredentialPlace } from './wire/dialect.ts'

/** Why no single credential could be taken from a request. */
export type CredentialFault = 'missing' | 'ambiguous' | 'misplaced' | 'malformed'

/** The caller's credential, or why there is none. */
export type CallerCredential =
  | { readonly kind: 'credential'; readonly value: string; readonly place: CredentialPlace }
  | { readonly kind: 'fault'; readonly fault: CredentialFault; readonly message: string }

interface Found {
  readonly place: CredentialPlace
  readonly value: string
}

/**
 * Takes the caller's credential from wherever the vendors' SDKs put one.
 *
 * Exactly one is allowed, and only in a place where the vendor's SDKs put it: which of two a server believes is what
 * an attacker would play with. Empty values count as absent.
 *
 * @param rawHeaders names and values alternating, as in `IncomingMessage.rawHeaders`.
 * @param query query without the `?`; only its `key` parameter is looked at.
 * @param places where the vendor's SDKs put their key.
 */
export function findCredential(
  rawHeaders: readonly string[],
  query: string,
  places: readonly CredentialPlace[],
): CallerCredential {
  const found: Found[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const place = headerPlace(rawHeaders[i] ?? '')
    if (place === undefined) continue
    const value = (rawHeaders[i + 1] ?? '').trim()
    if (place === 'subprotocol') found.push(...subprotocolCredentials(value))
    else if (value !== '') found.push({ place, value })
  }
  if (mayHoldKey(query)) found.push(...queryCredentials(query))
  return judge(found, places)
}

function judge(found: readonly Found[], places: readonly CredentialPlace[]): CallerCredential {
  const [first] = found
  const expected = places.map((place) => PLACE_NAMES[place]).join(' or ')
  if (first === undefined) return fault('missing', `No API key was sent. Put it in ${expected}.`)
  if (found.length > 1) {
    const names = found.map(({ place }) => PLACE_NAMES[place]).join(' and ')
    return fault('ambiguous', `More than one API key was sent (${names}). Send exactly one.`)
  }
  if (!places.includes(first.place)) {
    return fault(
      'misplaced',
      `The API key is in ${PLACE_NAMES[first.place]}, where this vendor has none. Put it in ${expected}.`,
    )
  }
  const value = first.place === 'authorization' ? bearerToken(first.value) : first.value
  if (value === undefined) return fault('malformed', 'The Authorization header must read "Bearer KEY".')
  return { kind: 'credential', value, place: first.place }
}

const fault = (kind: CredentialFault, message: string): CallerCredential => ({ kind: 'fault', fault: kind, message })

const PLACE_NAMES: Readonly<Record<CredentialPlace, string>> = {
  authorization: 'the Authorization header (Bearer)',
  'x-api-key': 'the x-api-key header',
  'api-key': 'the api-key header',
  'x-goog-api-key': 'the x-goog-api-key header',
  query: 'the query parameter "key"',
  subprotocol: 'the WebSocket subprotocol',
}

/** What stands before a key in Sec-WebSocket-Protocol. */
export const KEY_SUBPROTOCOL_PREFIX = 'openai-insecure-api-key.'

function subprotocolCredentials(header: string): Found[] {
  return header
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol.startsWith(KEY_SUBPROTOCOL_PREFIX))
    .map((protocol) => ({ place: 'subprotocol', value: protocol.slice(KEY_SUBPROTOCOL_PREFIX.length) }))
}

// By length first: most headers are none of these, and this runs for each header of each request.
function headerPlace(name: string): CredentialPlace | undefined {
  if (name.length === 13) return name.toLowerCase() === 'authorization' ? 'authorization' : undefined
  if (name.length === 9) return name.toLowerCase() === 'x-api-key' ? 'x-api-key' : undefined
  if (name.length === 14) return name.toLowerCase() === 'x-goog-api-key' ? 'x-goog-api-key' : undefined
  if (name.length === 22) return name.toLowerCase() === 'sec-websocket-protocol' ? 'subprotocol' : undefined
  if (name.length === 7) return name.toLowerCase() === 'api-key' ? 'api-key' : undefined
  return undefined
}

/** The token of `Bearer TOKEN`, or undefined when the value is something else. */
export function bearerToken(value: string): string | undefined {
  const token = /^bearer +(\S+)$/i.exec(value)?.[1]
  return token
}

function queryCredentials(query: string): Found[] {
  return query
    .split('&')
    .filter(isKeyParameter)
    .map((pair) => ({ place: 'query' as const, value: decode(pair.slice(pair.indexOf('=') + 1)) }))
    .filter(({ value }) => value !== '')
}

/** The query without its `key` parameters; every other byte stays. */
export function withoutKeyParameter(query: string): string {
  if (!mayHoldKey(query)) return query
  return query
    .split('&')
    .filter((pair) => !isKeyParameter(pair))
    .join('&')
}

// The name may be percent-encoded.
const mayHoldKey = (query: string): boolean => query.includes('key') || query.includes('%')

const isKeyParameter = (pair: string): boolean => decode(pair.split('=', 1)[0] ?? '') === 'key'

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
