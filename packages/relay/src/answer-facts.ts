import { FerryError } from '@llm-ferry/sdk'
import type { Dispatcher } from 'undici'
import { headerValue } from './headers.ts'

/** Content-Length of an answer, or -1 when it does not say. */
export function contentLength(headers: readonly string[], status: number): number {
  if (status === 204 || status === 304) return 0
  const text = headerValue(headers, 'content-length')
  return text === undefined ? -1 : Number(text)
}

/** Whether an answer came with a transfer coding, which tells where it ends. */
export function isChunked(raw: readonly Buffer[]): boolean {
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.length === 17 && raw[i]?.toString('latin1').toLowerCase() === 'transfer-encoding') return true
  }
  return false
}

/** Trailers as pairs, or undefined when there are none. */
export function trailerPairs(raw: Dispatcher.DispatchController['rawTrailers']): [string, string][] | undefined {
  if (!Array.isArray(raw) || raw.length === 0) return undefined
  const texts = raw.map((part) => part.toString('latin1'))
  const pairs: [string, string][] = []
  for (let i = 0; i + 1 < texts.length; i += 2) pairs.push([texts[i] ?? '', texts[i + 1] ?? ''])
  return pairs
}

/** Rewrites the URL in a field of a JSON text, wherever the field stands; every other byte stays. */
export function rewriteField(text: string, name: string, rewrite: (url: string) => string | undefined): string {
  const field = new RegExp(`("${name}"\\s*:\\s*")([^"\\\\]*)(")`, 'g')
  return text.replace(field, (whole, before: string, url: string, after: string) => {
    const rewritten = rewrite(url)
    return rewritten === undefined ? whole : `${before}${rewritten}${after}`
  })
}

/** The vendor refused the operator's key. Its own text is not passed on: it quotes the key and blames the caller's. */
export const keyRejected = (vendor: string): FerryError =>
  new FerryError(
    'vendor_key_rejected',
    `${vendor} refused the key that the operator of this service has configured. Your own key is fine; tell the operator.`,
  )

/** The number that a stream's next event has, by what its last bytes say: OpenAI's Responses API counts them. */
export function nextSequence(tail: string): number {
  const [last] = [...tail.matchAll(/"sequence_number"\s*:\s*(\d+)/g)].slice(-1)
  return last === undefined ? 0 : Number(last[1]) + 1
}
