import type { IncomingHttpHeaders } from 'node:http'
import {
  headerValues,
  NOT_FOR_CALLERS,
  NOT_FOR_VENDORS,
  nominatedHeaders,
  PREFIXES_NOT_FOR_CALLERS,
  PREFIXES_NOT_FOR_VENDORS,
} from '@llm-ferry/kit'

const KEPT_FROM_VENDORS: ReadonlySet<string> = new Set([
  ...NOT_FOR_VENDORS,
  'idempotency-key',
  // Usage is read from the answer, and the border has its own coding.
  'accept-encoding',
])

const KEPT_FROM_CALLERS: ReadonlySet<string> = new Set([
  ...NOT_FOR_CALLERS,
  'content-length',
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
  const nominated = nominatedHeaders(headerValues(raw, 'connection').join(',') || undefined)
  const kept: Record<string, string | string[]> = {}
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase()
    const isOurs = KEPT_FROM_VENDORS.has(name) || PREFIXES_NOT_FOR_VENDORS.some((prefix) => name.startsWith(prefix))
    if (isOurs || nominated?.has(name) || account.test(name)) continue
    add(kept, name, raw[i + 1] ?? '')
  }
  return { ...kept, 'accept-encoding': 'identity' }
}

function add(headers: Record<string, string | string[]>, name: string, value: string): void {
  const before = Object.hasOwn(headers, name) ? headers[name] : undefined
  headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
}

/** Headers that come back to the caller; its length is for whoever writes the body to say. */
export function headersForCaller(headers: IncomingHttpHeaders, account: RegExp): Record<string, string | string[]> {
  const nominated = nominatedHeaders(headers.connection)
  const kept: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers)) {
    const isOurs = KEPT_FROM_CALLERS.has(name) || PREFIXES_NOT_FOR_CALLERS.some((prefix) => name.startsWith(prefix))
    if (value === undefined || isOurs || nominated?.has(name) || account.test(name)) continue
    kept[name] = value
  }
  return kept
}
