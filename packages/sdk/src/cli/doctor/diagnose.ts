import type { ClientCertificate } from '../../client-certificate.ts'
import { wrongUse } from '../command.ts'
import { httpUrl, relayUrls, type Settings } from '../settings.ts'
import { checkBff } from './bff.ts'
import { checkClientCertificate } from './client-certificate.ts'
import { checkConnection } from './connection.ts'
import { type Finding, findings } from './finding.ts'
import { checkRedis } from './redis.ts'
import { checkRelay } from './relay.ts'
import { checkVendors } from './vendors.ts'
import { checkVersions } from './versions.ts'

const OLDEST_NODE = 22

/** All findings for what the settings name. */
export async function diagnose(settings: Settings): Promise<readonly Finding[]> {
  const relays = relayUrls(settings)
  const { REDIS_URL, REDIS_CACHE_URL, FERRY_URL } = settings
  const bffUrl = FERRY_URL === undefined ? undefined : httpUrl(FERRY_URL, 'FERRY_URL')
  const own = checkClientCertificate(settings)
  const [throughRelays, redis, cache, bff, vendors] = await Promise.all([
    Promise.all(relays.map((url) => checkRelayAt(url, settings.RELAY_TOKEN, own.shown))),
    REDIS_URL === undefined ? [] : checkRedis(REDIS_URL, 'counters'),
    REDIS_CACHE_URL === undefined ? [] : checkRedis(REDIS_CACHE_URL, 'cache'),
    bffUrl === undefined ? [] : checkBffAt(bffUrl, settings.FERRY_KEY),
    checkVendors(settings),
  ])
  const found = [...own.found, ...throughRelays.flat(), ...redis, ...cache, ...bff, ...vendors]
  if (found.length === 0)
    throw wrongUse(
      'nothing to look at: set RELAY_URLS, REDIS_URL, FERRY_URL or a vendor’s key, or name a file with --env',
    )
  const services = [
    ...relays.map((url) => ({ name: `relay ${url.host}`, url, credential: settings.RELAY_TOKEN, shown: own.shown })),
    ...(bffUrl === undefined ? [] : [{ name: `BFF ${bffUrl.host}`, url: bffUrl, credential: settings.FERRY_KEY }]),
  ]
  // Of what is broken already nobody asks which version it is.
  const broken = new Set(found.filter(({ state }) => state === 'fail').map(({ subject }) => subject))
  const versions = await checkVersions(services.filter(({ url }) => !isBroken(broken, url)))
  return [nodeVersion(), ...found, ...versions]
}

function isBroken(subjects: ReadonlySet<string>, url: URL): boolean {
  return [url.host, url.hostname, `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`].some(
    (name) => subjects.has(name),
  )
}

async function checkBffAt(url: URL, key: string | undefined): Promise<readonly Finding[]> {
  const connection = await checkConnection(url)
  const isReachable = connection.every(({ state, check }) => state !== 'fail' || check === 'certificate')
  return isReachable ? [...connection, ...(await checkBff(url, key))] : connection
}

async function checkRelayAt(
  url: URL,
  token: string | undefined,
  shown: ClientCertificate | undefined,
): Promise<readonly Finding[]> {
  const connection = await checkConnection(url, shown)
  // A certificate that ends soon still connects.
  const isReachable = connection.every(({ state, check }) => state !== 'fail' || check === 'certificate')
  return isReachable ? [...connection, ...(await checkRelay(url, token, shown))] : connection
}

function nodeVersion(): Finding {
  const { ok, fail } = findings('version', 'Node.js')
  const major = Number(process.versions.node.split('.')[0])
  return major < OLDEST_NODE
    ? fail(process.versions.node, `install Node.js ${OLDEST_NODE} or newer; the services run on 24`)
    : ok(process.versions.node)
}
