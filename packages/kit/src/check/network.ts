import ipaddr from 'ipaddr.js'

/** Whether a host is this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || rangeOf(host) === 'loopback'
}

const OWN_NETWORKS: ReadonlySet<string> = new Set([
  'loopback',
  'private',
  'linkLocal',
  'uniqueLocal',
  'carrierGradeNat',
  'unspecified',
])

/**
 * Whether what is sent to a host goes over networks of others: no private address, and no name of a private network
 * (one word, as in Docker, or below `.internal`, `.local` or `.svc`).
 */
export function isPublic(host: string): boolean {
  const range = rangeOf(host)
  if (range !== undefined) return !OWN_NETWORKS.has(range)
  return (
    host.includes('.') &&
    !/\.(localhost|local|internal|lan|svc|home\.arpa)$/.test(host) &&
    !/\.svc\.[a-z.]+$/.test(host)
  )
}

function rangeOf(host: string): string | undefined {
  const address = host.replace(/^\[|\]$/g, '')
  return ipaddr.isValid(address) ? ipaddr.process(address).range() : undefined
}
