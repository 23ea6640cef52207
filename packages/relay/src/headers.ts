import {
  NOT_FOR_CALLERS,
  NOT_FOR_VENDORS,
  nominatedHeaders,
  PREFIXES_NOT_FOR_CALLERS,
  PREFIXES_NOT_FOR_VENDORS,
} from '@llm-ferry/kit'
import { HEADERS } from '@llm-ferry/sdk'

/** Whether a header of this name (any case) is dropped. */
type Dropped = (name: string) => boolean

/** Names come again and again in the same spelling, so each is judged once; strangers' inventions are not kept. */
function dropping(list: readonly string[], prefixes: readonly string[]): Dropped {
  const names = new Set(list)
  const verdicts = new Map<string, boolean>()
  return (name) => {
    const known = verdicts.get(name)
    if (known !== undefined) return known
    const lower = name.toLowerCase()
    const verdict = names.has(lower) || prefixes.some((prefix) => lower.startsWith(prefix))
    if (verdicts.size < 1000) verdicts.set(name, verdict)
    return verdict
  }
}

const droppedForVendors = dropping(NOT_FOR_VENDORS, PREFIXES_NOT_FOR_VENDORS)
const droppedForCallers = dropping(NOT_FOR_CALLERS, PREFIXES_NOT_FOR_CALLERS)

/**
 * The headers that travel on to a vendor, flat: the caller's in their order and spelling, without what ends here.
 *
 * @param raw names and values alternating.
 * @param connection value of the caller's Connection header.
 */
export function requestHeaders(raw: readonly string[], connection: string | undefined): string[] {
  const extra = nominatedHeaders(connection)
  const kept: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (droppedForVendors(name) || extra?.has(name.toLowerCase())) continue
    kept.push(name, raw[i + 1] ?? '')
  }
  return kept
}

/** Replaces every value of a header, or adds it. `name` is lower case. */
export function setHeader(flat: string[], name: string, value: string): void {
  let found = false
  for (let i = 0; i < flat.length; i += 2) {
    if (flat[i]?.toLowerCase() !== name) continue
    flat[i + 1] = value
    found = true
  }
  if (!found) flat.push(name, value)
}

/** Value of the first header of this lower-case name. */
export function headerValue(flat: readonly string[], name: string): string | undefined {
  for (let i = 0; i < flat.length; i += 2) {
    const candidate = flat[i]
    if (candidate?.length === name.length && candidate.toLowerCase() === name) return flat[i + 1]
  }
  return undefined
}

/** How the answer's URLs must change so that they lead back through the relay. */
export interface UrlRewrite {
  /** Lower-case names of headers that hold a URL. */
  readonly headers: readonly string[]
  /** The URL as the caller should see it; undefined when it must not see any. */
  readonly rewrite: (url: string) => string | undefined
}

/**
 * The headers that come back to the caller, flat, from what the vendor sent.
 *
 * @param raw names and values alternating, as bytes.
 * @param secret the vendor key that was used: a header that quotes it is dropped.
 */
export function answerHeaders(raw: readonly Buffer[], secret: string, urls: UrlRewrite, requestId: string): string[] {
  const kept: string[] = []
  let extra: ReadonlySet<string> | undefined
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = latin1(raw[i])
    const value = latin1(raw[i + 1])
    if (name.length === 10 && name.toLowerCase() === 'connection') extra = nominatedHeaders(value)
    if (droppedForCallers(name) || (value.length >= secret.length && value.includes(secret))) continue
    kept.push(name, value)
  }
  if (extra !== undefined) removeNamed(kept, extra)
  rewriteUrls(kept, urls)
  kept.push(HEADERS.requestId, requestId)
  return kept
}

const latin1 = (bytes: Buffer | undefined): string => bytes?.toString('latin1') ?? ''

function removeNamed(flat: string[], names: ReadonlySet<string>): void {
  for (let i = flat.length - 2; i >= 0; i -= 2) {
    if (names.has((flat[i] ?? '').toLowerCase())) flat.splice(i, 2)
  }
}

function rewriteUrls(flat: string[], { headers, rewrite }: UrlRewrite): void {
  for (let i = flat.length - 2; i >= 0; i -= 2) {
    const name = flat[i] ?? ''
    if (!headers.some((header) => header.length === name.length && header === name.toLowerCase())) continue
    const url = rewrite(flat[i + 1] ?? '')
    if (url === undefined) flat.splice(i, 2)
    else flat[i + 1] = url
  }
}

/** Removes every header of this lower-case name. */
export function removeHeader(flat: string[], name: string): void {
  removeNamed(flat, new Set([name]))
}
