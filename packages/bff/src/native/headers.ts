import type { IncomingHttpHeaders } from 'node:http'

// RFC 9110, 7.6.1; what is about the connection to us; the caller's credential; and which way it came.
const NOT_FOR_VENDORS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
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
  'cdn-loop',
  'idempotency-key',
  // Usage is read from the answer, and the border has its own coding.
  'accept-encoding',
])
const PREFIXES_NOT_FOR_VENDORS = ['x-ferry-', 'x-forwarded-', 'cf-', 'sec-websocket-']

const NOT_FOR_CALLERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'set-cookie',
  'set-cookie2',
  'alt-svc',
  'strict-transport-security',
  'via',
  // Where a redirect or a long operation leads to, at the vendor itself.
  'location',
])

/**
 * Headers that go on to the vendor.
 *
 * @param raw names and values alternating.
 * @param account names that are about the vendor's account, which is not the caller's.
 */
export function headersForVendor(raw: readonly string[], account: RegExp): Record<string, string | string[]> {
  const nominated = nominatedBy(raw)
  const kept: Record<string, string | string[]> = {}
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase()
    const isOurs = NOT_FOR_VENDORS.has(name) || PREFIXES_NOT_FOR_VENDORS.some((prefix) => name.startsWith(prefix))
    if (isOurs || nominated.has(name) || account.test(name)) continue
    add(kept, name, raw[i + 1] ?? '')
  }
  return { ...kept, 'accept-encoding': 'identity' }
}

/** Names that a Connection header declares to be about the connection. */
function nominatedBy(raw: readonly string[]): ReadonlySet<string> {
  const at = raw.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'connection')
  const names = at === -1 ? '' : (raw[at + 1] ?? '')
  return new Set(names.split(',').map((name) => name.trim().toLowerCase()))
}

function add(headers: Record<string, string | string[]>, name: string, value: string): void {
  const before = Object.hasOwn(headers, name) ? headers[name] : undefined
  headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
}

/** Headers that come back to the caller; its length is for whoever writes the body to say. */
export function headersForCaller(headers: IncomingHttpHeaders, account: RegExp): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || NOT_FOR_CALLERS.has(name) || name.startsWith('x-ferry-') || account.test(name)) continue
    kept[name] = value
  }
  return kept
}
