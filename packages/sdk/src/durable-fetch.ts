import type { ClientCertificateSource } from './client-certificate.ts'
import type { Fetch } from './options.ts'

/** Links by the certificate that they show, its text or the function that gives it, then by relay. */
const fetches = new Map<unknown, Map<string, Promise<Fetch>>>()

/**
 * A `fetch` whose requests to this relay survive broken connections, over one link for all who aim at it and show the same
 * certificate. Outside Node it is the platform's, which survives nothing and shows none.
 */
export function durableFetch(relay: string, clientCertificate?: ClientCertificateSource): Fetch {
  return async (url, init) => (await linkFetch(relay, clientCertificate))(url, init)
}

// Loaded when it is wanted: nobody else needs its code, and `#link` is an empty one where there is no Node.
function linkFetch(relay: string, clientCertificate: ClientCertificateSource | undefined): Promise<Fetch> {
  const shown = typeof clientCertificate === 'object' ? clientCertificate.cert : clientCertificate
  const links = fetches.get(shown) ?? new Map<string, Promise<Fetch>>()
  fetches.set(shown, links)
  const known = links.get(relay)
  if (known) return known
  const opened = import('#link').then(
    ({ createLink }): Fetch => createLink({ relays: [relay], clientCertificate }).fetch,
  )
  links.set(relay, opened)
  return opened
}
