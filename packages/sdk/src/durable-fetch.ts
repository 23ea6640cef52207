import type { Fetch } from './options.ts'

const fetches = new Map<string, Promise<Fetch>>()

/**
 * A `fetch` whose requests to this relay survive broken connections, over one link for all who aim at it. Outside Node it
 * is the platform's, which survives nothing.
 */
export function durableFetch(relay: string): Fetch {
  return async (url, init) => (await linkFetch(relay))(url, init)
}

// Loaded when it is wanted: nobody else needs its code, and `#link` is an empty one where there is no Node.
function linkFetch(relay: string): Promise<Fetch> {
  const known = fetches.get(relay)
  if (known) return known
  const opened = import('#link').then(({ createLink }): Fetch => createLink({ relays: [relay] }).fetch)
  fetches.set(relay, opened)
  return opened
}
