import { Agent, fetch as fetchOverAgent } from 'undici'
import { connectorOf } from './connect.ts'
import type { LinkSettings } from './options.ts'

/** A `fetch` that carries one request over one connection, as the platform's does. */
export interface PlainFetch {
  readonly fetch: typeof fetch
  close(): Promise<void>
}

/**
 * The `fetch` for requests to a relay that the link cannot carry, such as uploads: the platform's, unless relays have an
 * authority of their own or are shown a certificate, of which the platform's knows nothing.
 */
export function createPlainFetch(settings: LinkSettings): PlainFetch {
  // Whoever puts the link's fetch in the global one's place must not make it call itself.
  const platform = globalThis.fetch
  if (settings.ca === undefined && !settings.showsCertificate) return { fetch: platform, close: async () => {} }
  const agent = new Agent({
    connect: (target, callback) => connectorOf(settings, settings.clientCertificate())(target, callback),
  })
  return {
    async fetch(input, init) {
      // Node's own fetch takes no agent of another undici, whose fetch takes no form of Node's: bodies go as streams.
      const { url, method, headers, body, signal, redirect } = new Request(input, init)
      const sent = { method, headers: [...headers], signal, redirect, dispatcher: agent }
      const answer = await fetchOverAgent(url, body === null ? sent : { ...sent, body, duplex: 'half' })
      const { status, statusText } = answer
      const isBodyless = status === 204 || status === 205 || status === 304
      return new Response(isBodyless ? null : (answer.body as ReadableStream<Uint8Array> | null), {
        status,
        statusText,
        headers: [...answer.headers],
      })
    },
    close: () => agent.destroy(),
  }
}
