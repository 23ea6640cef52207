// RFC 9110, 7.6.1, and what older proxies used in its place. Expect is answered here, Trailer set anew where it holds.
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
] as const

/**
 * Request headers that end at a service, lower case. Host and Content-Length are written by the HTTP client from what is
 * really sent. The rest is the caller's credential, or tells who the caller is and which way it came.
 */
export const NOT_FOR_VENDORS: readonly string[] = [
  ...HOP_BY_HOP,
  'host',
  'content-length',
  'expect',
  'authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'cookie',
  'via',
  'forwarded',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'fastly-client-ip',
  'cdn-loop',
]

/** Beginnings of further names. Sec-WebSocket-* belong to an upgrade, and one of them may carry the caller's credential. */
export const PREFIXES_NOT_FOR_VENDORS: readonly string[] = ['x-ferry-', 'x-forwarded-', 'cf-', 'sec-websocket-', ':']

/**
 * Answer headers that end at a service, lower case. Cookies, transport hints and pins are about the vendor's host; on ours
 * they would be lies.
 */
export const NOT_FOR_CALLERS: readonly string[] = [
  ...HOP_BY_HOP,
  'set-cookie',
  'set-cookie2',
  'alt-svc',
  'strict-transport-security',
  'via',
]

/** Beginnings of further names. */
export const PREFIXES_NOT_FOR_CALLERS: readonly string[] = ['x-ferry-', ':']

/**
 * Names that a Connection header declares hop-by-hop, lower case; undefined when there are none beyond the usual.
 *
 * @param connection its value, that of all of its lines with commas between.
 */
export function nominatedHeaders(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
}
