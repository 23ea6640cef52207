import { wrongUse } from '../command.ts'
import { httpUrl, relayUrls, type Settings } from '../settings.ts'
import { checkBff } from './bff.ts'
import { checkConnection } from './connection.ts'
import { type Finding, findings } from './finding.ts'
import { checkRedis } from './redis.ts'
import { checkRelay } from './relay.ts'
import { checkVendors } from './vendors.ts'

const OLDEST_NODE = 22

/** All findings for what the settings name. */
export async function diagnose(settings: Settings): Promise<readonly Finding[]> {
  const relays = relayUrls(settings)
  const { REDIS_URL, FERRY_URL } = settings
  const [throughRelays, redis, bff, vendors] = await Promise.all([
    Promise.all(relays.map((url) => checkRelayAt(url, settings.RELAY_TOKEN))),
    REDIS_URL === undefined ? [] : checkRedis(REDIS_URL),
    FERRY_URL === undefined ? [] : checkBff(httpUrl(FERRY_URL, 'FERRY_URL'), settings.FERRY_KEY),
    checkVendors(settings),
  ])
  const found = [...throughRelays.flat(), ...redis, ...bff, ...vendors]
  if (found.length === 0)
    throw wrongUse(
      'nothing to look at: set RELAY_URLS, REDIS_URL, FERRY_URL or a vendor’s key, or name a file with --env',
    )
  return [nodeVersion(), ...found]
}

async function checkRelayAt(url: URL, token: string | undefined): Promise<readonly Finding[]> {
  const connection = await checkConnection(url)
  // A certificate that ends soon still connects.
  const isReachable = connection.every(({ state, check }) => state !== 'fail' || check === 'certificate')
  return isReachable ? [...connection, ...(await checkRelay(url, token))] : connection
}

function nodeVersion(): Finding {
  const { ok, fail } = findings('version', 'Node.js')
  const major = Number(process.versions.node.split('.')[0])
  return major < OLDEST_NODE
    ? fail(process.versions.node, `install Node.js ${OLDEST_NODE} or newer; the services run on 24`)
    : ok(process.versions.node)
}
