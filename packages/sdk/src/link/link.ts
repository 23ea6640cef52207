import type { LinkAnswer } from './answers.ts'
import { DurableCall, type LinkRequest } from './call.ts'
import { Conversations } from './conversations.ts'
import { createLinkFetch, type LinkFetch } from './fetch.ts'
import { type LinkOptions, linkSettings } from './options.ts'
import { RelayPool } from './pool.ts'
import type { RelayStats } from './relay.ts'

/** The caller's end of the border link. */
export interface Link {
  /**
   * Carries a request to a vendor and its answer back, over as many connections as it takes. Rejects only with the reason
   * of its signal; any other failure is an answer with `x-ferry-error`.
   */
  request(request: LinkRequest): Promise<LinkAnswer>
  /** The same as a `fetch`, for the vendors' SDKs: `new OpenAI({ baseURL: RELAY + '/proxy/openai/v1', fetch: link.fetch })`. */
  readonly fetch: LinkFetch
  /** Base URL of the relay that the next request would take, for what cannot be sent over the link. */
  preferredRelay(): URL
  /** Opens connections before the first request needs one; a link does it by itself from then on. */
  keepWarm(): void
  /** Each relay as it is now, and what has been counted for it since the link was opened; in order of preference. */
  stats(): readonly RelayStats[]
  /** Cuts every connection. */
  close(): Promise<void>
}

/**
 * Opens a link to one or more relays.
 *
 * @throws {TypeError} for options that cannot be used.
 */
export function createLink(options: LinkOptions): Link {
  const settings = linkSettings(options)
  const pool = new RelayPool(settings)
  const conversations = new Conversations()
  const request = (asked: LinkRequest): Promise<LinkAnswer> => {
    pool.keepWarm()
    return new DurableCall(asked, settings, pool, conversations).answer
  }
  return {
    request,
    fetch: createLinkFetch({ bases: settings.relays.flat(), request }),
    preferredRelay: () => pool.preferred.address().url,
    keepWarm: () => pool.keepWarm(),
    stats: () => pool.stats,
    close() {
      conversations.close()
      return pool.close()
    },
  }
}
