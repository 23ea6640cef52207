import { FerryError } from '@llm-ferry/sdk'

/** What a request’s `Cache-Control` asks of the cache of answers. */
export interface CacheDirective {
  /** Nothing is looked up and nothing kept. */
  readonly noStore: boolean
  /** Nothing is looked up; the new answer is kept where the configuration says so. */
  readonly refresh: boolean
  /** Oldest answer that will do, in ms; above 0 it asks for the cache. `undefined`: not said. */
  readonly maxAgeMs: number | undefined
}

const NOTHING_SAID: CacheDirective = { noStore: false, refresh: false, maxAgeMs: undefined }

/** Longest age that can be asked for, in seconds: 30 days. */
export const MAX_TTL_SECONDS = 2_592_000

/**
 * Reads the directives of RFC 9111 that mean something here; others are passed over.
 *
 * @throws {FerryError} 400 for a `max-age` that is no number of seconds.
 */
export function parseCacheControl(header: string): CacheDirective {
  if (header === '') return NOTHING_SAID
  const said = new Map(
    header.split(',').map((part) => {
      const [name = '', value] = part.split('=', 2).map((text) => text.trim())
      return [name.toLowerCase(), value?.replace(/^"(.*)"$/, '$1')]
    }),
  )
  const maxAgeMs = said.has('max-age') ? seconds(said.get('max-age')) * 1000 : undefined
  return { noStore: said.has('no-store'), refresh: said.has('no-cache') || maxAgeMs === 0, maxAgeMs }
}

function seconds(text: string | undefined): number {
  if (text !== undefined && /^\d{1,10}$/.test(text)) return Math.min(Number(text), MAX_TTL_SECONDS)
  const message = 'The header cache-control has a max-age that is no whole number of seconds: send max-age=3600'
  throw new FerryError('invalid_request', message, { param: 'cache-control' })
}
