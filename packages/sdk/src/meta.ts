import { HEADERS } from './schema/headers.ts'

/** How a call went: what the server tells beside the answer. */
export interface CallMeta {
  /** Id that leads to the server's logs. Show it where you show an error. */
  readonly requestId: string | undefined
  /** Vendor that served the call. */
  readonly vendor: string | undefined
  /** Model that served the call, in the vendor's name for it. */
  readonly model: string | undefined
  /** Relay that carried the call; absent for a vendor called directly. */
  readonly relay: string | undefined
  /** Attempts that the server made at vendors, fallbacks included. */
  readonly attempts: number | undefined
  /** Whether the answer came from the server's cache; absent when it was not asked. */
  readonly cache: 'hit' | 'miss' | undefined
  /** Request fields that the vendor does not know and that were left out. */
  readonly dropped: readonly string[]
  /** Attempts that this client made after its first. */
  readonly retries: number
  /** All headers of the answer, `x-ratelimit-*` among them. */
  readonly headers: Headers
}

/** Reads {@link CallMeta} from an answer's head and, for a stream that began late, from its first chunk. */
export function readMeta(headers: Headers, retries: number, late: Readonly<Record<string, string>> = {}): CallMeta {
  const read = (name: string) => late[name] ?? headers.get(name) ?? undefined
  const attempts = Number(read(HEADERS.attempts))
  const cache = read(HEADERS.cache)
  return {
    requestId: read(HEADERS.requestId) ?? read('x-request-id'),
    vendor: read(HEADERS.vendor),
    model: read(HEADERS.model),
    relay: read(HEADERS.relay),
    attempts: attempts > 0 ? attempts : undefined,
    cache: cache === 'hit' || cache === 'miss' ? cache : undefined,
    dropped: (read(HEADERS.dropped) ?? '').split(',').flatMap((field) => field.trim() || []),
    retries,
    headers,
  }
}
