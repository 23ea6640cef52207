import { totalmem } from 'node:os'
import { certificateWarnings, isLoopback, isPublic, type Warning, writeFault } from '@llm-ferry/kit'
import type { RelayConfig } from '../config.ts'

/** Folders that the relay must be able to write. */
export function storageFaults({ link }: RelayConfig): readonly string[] {
  const fault = writeFault(link.markersFolder)
  return fault === undefined ? [] : [`EXCHANGE_MARKERS_DIR: ${fault}: give it to this user, or name another folder`]
}

/** What does what was hardly meant. */
export function relayWarnings(config: RelayConfig): readonly Warning[] {
  return [
    ...doors(config),
    ...certificateWarnings('TLS_CERT_FILE', config.tls),
    ...vendors(config),
    ...tokens(config),
    ...memory(config),
  ]
}

function doors({ host, tls, trustedProxies, allowedIps }: RelayConfig): readonly Warning[] {
  const found: Warning[] = []
  // Addresses that no proxy in front has.
  const trustsAll = ['203.0.113.7', '198.51.100.7', '192.0.2.7'].every((address) => trustedProxies.has(address))
  if (trustsAll)
    found.push({
      text: 'TRUSTED_PROXIES trusts everybody: callers choose the address that they are seen with',
      todo: 'name the proxies in front alone',
    })
  if (tls === undefined && trustedProxies.isEmpty && !isLoopback(host))
    found.push({
      text: `HOST ${host} takes tokens and prompts from the network without TLS, and no proxy in front is named`,
      todo: 'name the proxy in TRUSTED_PROXIES, set TLS_CERT_FILE and TLS_KEY_FILE, or set HOST=127.0.0.1',
    })
  if (!allowedIps.isEmpty && trustedProxies.isEmpty && isLoopback(host) && !allowedIps.has('127.0.0.1'))
    found.push({
      text: 'RELAY_ALLOWED_IPS refuses everybody: all calls seem to come from the proxy on this machine',
      todo: 'set TRUSTED_PROXIES=127.0.0.1/32',
    })
  return found
}

function vendors({ vendors }: RelayConfig): readonly Warning[] {
  const found: Warning[] = []
  const keyless = vendors.filter(({ keys }) => keys.length === 0)
  if (keyless.length === vendors.length)
    found.push({
      text: 'no vendor has a key: every call gets 503',
      todo: `set ${keyless.map(({ keyHint }) => keyHint).join(', ')}, or one of them`,
    })
  for (const { name, origin, keys } of vendors) {
    if (origin.protocol === 'http:' && isPublic(origin.hostname))
      found.push({
        text: `${name} is reached at ${origin.origin} without TLS: its key travels in clear`,
        todo: 'write https://',
      })
    if (new Set(keys).size < keys.length)
      found.push({
        text: `a key of ${name} is in its pool twice`,
        todo: 'keep it once: when it rests, so does its double',
      })
  }
  return found
}

function tokens({ tokens, vendors }: RelayConfig): readonly Warning[] {
  const served = new Set(vendors.filter(({ keys }) => keys.length > 0).map(({ name }) => name))
  return tokens.flatMap(({ name, expiresAt, vendors: allowed }) => [
    ...(expiresAt !== undefined && expiresAt <= Date.now()
      ? [{ text: `the token "${name}" has expired`, todo: 'remove it, or give it a later expires_at' }]
      : []),
    ...(allowed && served.size > 0 && !allowed.some((vendor) => served.has(vendor))
      ? [
          {
            text: `the token "${name}" may call vendors alone that have no key`,
            todo: 'give one of them a key, or the token another vendor',
          },
        ]
      : []),
  ])
}

function memory({ limits, link, workers }: RelayConfig): readonly Warning[] {
  const most = workers * (limits.maxBufferedBytes + link.maxBytes + link.maxBodiesBytes)
  const there = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
  if (most <= there) return []
  const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1)
  return [
    {
      text: `MAX_BUFFERED_BYTES, EXCHANGES_MAX_BYTES and LINK_BODIES_MAX_BYTES of ${workers} workers allow ${gib(most)} GiB, and there are ${gib(there)}`,
      todo: 'lower them, or RELAY_WORKERS: each worker may take that much',
    },
  ]
}
