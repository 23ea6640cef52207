import type { LinkAnswer } from './answers.ts'
import { DurableCall, type ExchangeRef, type LinkRequest } from './call.ts'
import { endExchange } from './cancel.ts'
import { Conversations } from './conversations.ts'
import { createLinkFetch, type LinkFetch } from './fetch.ts'
import { type LinkOptions, linkSettings } from './options.ts'
import { createPlainFetch } from './plain-fetch.ts'
import { RelayPool } from './pool.ts'
import type { RelayStats } from './relay.ts'
import { LINK_HEADERS } from './wire/index.ts'

/** The caller's end of the border link. */
export interface Link {
  /**
   * Carries a request to a vendor and its answer back, over as many connections as it takes. Rejects only with the reason
   * of its signal; any other failure is an answer with `x-ferry-error`.
   */
  request(request: LinkRequest): Promise<LinkAnswer>
  /** The same as a `fetch`, for the vendors' SDKs: `new OpenAI({ baseURL: RELAY + '/proxy/openai/v1', fetch: link.fetch })`. */
  readonly fetch: LinkFetch
  /**
   * Ends an exchange that a request with `onExchange` left at its relay: cancels what runs, forgets what is finished.
   *
   * @param token the relay token.
   */
  end(exchange: ExchangeRef, token: string, scope: string): Promise<void>
  /**
   * Base URLs in the order in which what cannot be sent over the link should try them: those of the relay that the next
   * request would take, then those of the others, which are there at all times.
   */
  relayUrls(): readonly [URL, ...URL[]]
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
  const plain = createPlainFetch(settings)
  const request = (asked: LinkRequest): Promise<LinkAnswer> => {
    pool.keepWarm()
    return new DurableCall(asked, settings, pool, conversations).answer
  }
  return {
    request,
    fetch: createLinkFetch({ bases: settings.relays.flat(), request, plainFetch: plain.fetch }),
    relayUrls: () => pool.urls,
    keepWarm: () => pool.keepWarm(),
    stats: () => pool.stats,
    async end({ id, relay }, token, scope) {
      const at = pool.at(relay)
      if (at) await endExchange(at, id, ['authorization', `Bearer ${token}`, LINK_HEADERS.scope, scope])
    },
    async close() {
      conversations.close()
      await Promise.all([pool.close(), plain.close()])
    },
  }
}
