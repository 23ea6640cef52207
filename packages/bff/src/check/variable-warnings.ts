import { dirname } from 'node:path'
import { isLoopback, isPublic, type Warning, writeFault } from '@llm-ferry/kit'
import type { InspectedValues } from '../config.ts'
import type { FileConfig } from '../config-file.ts'
import { type RedisAddress, redisAddressShown } from '../store/redis-address.ts'

/** Folders and files that the BFF must be able to write. */
export function storageFaults({ LEDGER_FILE, SPOOL_DIR, REDIS_URL }: InspectedValues): readonly string[] {
  const ledger = LEDGER_FILE === undefined || LEDGER_FILE === '-' ? undefined : writeFault(LEDGER_FILE)
  const spool = SPOOL_DIR === undefined || REDIS_URL === undefined ? undefined : writeFault(SPOOL_DIR)
  return [
    ...(ledger ? [`LEDGER_FILE: ${ledger}: give the folder ${dirname(LEDGER_FILE ?? '')} to this user`] : []),
    ...(spool ? [`SPOOL_DIR: ${spool}: give it to this user, or name another folder`] : []),
  ]
}

/** Variables that do what was hardly meant. */
export function variableWarnings(values: InspectedValues, file: FileConfig | undefined): readonly Warning[] {
  return [
    ...doors(values, file),
    ...relays(values),
    ...stores(values),
    ...(values.CORS_ORIGINS ?? [])
      .filter(({ protocol, hostname }) => protocol === 'http:' && !isLoopback(hostname))
      .map(({ origin }) => ({
        text: `CORS_ORIGINS lets ${origin} in: its pages, and the tokens in them, travel in clear`,
        todo: 'serve that application by https://',
      })),
  ]
}

function doors(values: InspectedValues, file: FileConfig | undefined): readonly Warning[] {
  const { ADMIN_PORT, BFF_ADMIN_TOKEN, METRICS_PORT, METRICS_TOKEN, TRUSTED_PROXIES = [], HOST = '' } = values
  const found: Warning[] = []
  if (ADMIN_PORT !== undefined && BFF_ADMIN_TOKEN === undefined)
    found.push({
      text: 'ADMIN_PORT is set without BFF_ADMIN_TOKEN: there is no admin API',
      todo: 'set BFF_ADMIN_TOKEN, or remove ADMIN_PORT',
    })
  if (METRICS_PORT === undefined && METRICS_TOKEN === undefined)
    found.push({ text: 'there are no metrics', todo: 'set METRICS_PORT, or METRICS_TOKEN for /metrics on PORT' })
  if (TRUSTED_PROXIES.some((cidr) => cidr.endsWith('/0')))
    found.push({
      text: 'TRUSTED_PROXIES trusts everybody: callers choose the address that they are seen with',
      todo: 'name the proxies in front alone',
    })
  const bound = [...(file?.keys ?? [])].filter(([, { ips }]) => ips !== undefined).map(([name]) => name)
  if (bound.length > 0 && TRUSTED_PROXIES.length === 0 && isLoopback(HOST))
    found.push({
      text: `${bound.join(', ')} may be used from some addresses alone, and all calls seem to come from the proxy on this machine`,
      todo: 'set TRUSTED_PROXIES=127.0.0.1/32',
    })
  return found
}

function relays({ RELAY_URLS = [] }: InspectedValues): readonly Warning[] {
  const addresses = RELAY_URLS.flat()
  const clear = addresses
    .filter(({ protocol, hostname }) => protocol === 'http:' && isPublic(hostname))
    .map(({ origin }) => ({
      text: `RELAY_URLS reaches ${origin} without TLS: the relay's token, prompts and answers travel in clear`,
      todo: 'write https://, and give that host a certificate (docs/deploy)',
    }))
  const doubled = addresses.map(({ href }) => href).filter((href, index, all) => all.indexOf(href) !== index)
  return [
    ...clear,
    ...doubled.map((href) => ({
      text: `RELAY_URLS has ${href} twice`,
      todo: 'keep one: the other is no second relay',
    })),
  ]
}

function stores({ REDIS_URL, REDIS_CACHE_URL }: InspectedValues): readonly Warning[] {
  const found: Warning[] = []
  if (REDIS_URL === undefined)
    found.push({
      text: 'REDIS_URL is absent: each BFF process counts limits for itself, and forgets them, keys and usage when it ends',
      todo: 'set REDIS_URL wherever more than one process serves, or what is counted must last',
    })
  if (REDIS_URL && REDIS_CACHE_URL && sameServer(REDIS_URL, REDIS_CACHE_URL))
    found.push({
      text: 'REDIS_CACHE_URL is the Redis of REDIS_URL: what the cache needs to evict, counters must never lose',
      todo: 'give the cache a Redis of its own with maxmemory-policy allkeys-lru, or remove REDIS_CACHE_URL',
    })
  for (const [name, address] of Object.entries({ REDIS_URL, REDIS_CACHE_URL })) {
    if (address === undefined || address.tls || !address.nodes.some(({ host }) => isPublic(host))) continue
    found.push({
      text: `${name} reaches ${redisAddressShown(address)} without TLS over a public network`,
      todo: 'write rediss:// (or rediss+sentinel://, rediss+cluster://), or use its private address',
    })
  }
  return found
}

const sameServer = (one: RedisAddress, other: RedisAddress): boolean =>
  one.nodes.some(({ host, port }) => other.nodes.some((node) => node.host === host && node.port === port))
