import { type Finding, findings, reasonOf } from './finding.ts'
import { askRedis, type Place } from './redis-wire.ts'

const OLDEST = [6, 2] as const
const SLOTS = '16384'

/** What REDIS_URL says. */
interface Address {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly places: readonly Place[]
  /** Words of AUTH; none: no password. */
  readonly login: readonly string[]
  /** What the sentinels call the master. */
  readonly master: string
}

/** What a Redis is for: counters that must not be lost, or answers that may be. */
export type Purpose = 'counters' | 'cache'

/**
 * The store of quotas or of the cache: reachable, new enough, and set so that no counter is lost; by way of sentinels, or as
 * a cluster.
 */
export async function checkRedis(text: string, purpose: Purpose): Promise<readonly Finding[]> {
  const address = addressOf(text)
  if (address === undefined)
    return [
      findings('redis', variableOf(purpose)).fail(
        'it is no Redis address',
        'set it to redis://:PASSWORD@HOST:6379/0, redis+sentinel://HOSTS/MASTER or redis+cluster://HOSTS',
      ),
    ]
  if (address.kind === 'sentinel') return checkSentinels(address, purpose)
  const servers = (await Promise.all(address.places.map((place) => checkServer(place, address.login, purpose)))).flat()
  return address.kind === 'cluster' ? [...servers, ...(await checkCluster(address))] : servers
}

const variableOf = (purpose: Purpose): string => (purpose === 'cache' ? 'REDIS_CACHE_URL' : 'REDIS_URL')

function addressOf(text: string): Address | undefined {
  const [, scheme = '', way, login = '', hosts = '', path = ''] =
    /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@]*)@)?([^/]+)\/?(.*)$/.exec(text) ?? []
  if (scheme === '') return undefined
  const tls = scheme === 'rediss'
  const urls = hosts.split(',').map((host) => URL.parse(`redis://${host.trim()}`))
  const words = login.split(':').map(decodedOf)
  if (urls.some((url) => url === null) || words.includes(undefined)) return undefined
  const kind = way === 'sentinel' || way === 'cluster' ? way : 'single'
  const places = urls.flatMap((url) =>
    url === null
      ? []
      : [
          {
            host: url.hostname.replace(/^\[|\]$/g, ''),
            port: Number(url.port) || (kind === 'sentinel' ? 26_379 : 6379),
            tls,
          },
        ],
  )
  return {
    kind,
    places,
    login: words.filter((word): word is string => Boolean(word)),
    master: path.split('/')[0] ?? '',
  }
}

function decodedOf(word: string): string | undefined {
  try {
    return decodeURIComponent(word)
  } catch {
    return undefined
  }
}

const nameOf = ({ host, port }: Place): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

async function checkServer(place: Place, login: readonly string[], purpose: Purpose): Promise<readonly Finding[]> {
  const { ok, warn, fail } = findings('redis', nameOf(place))
  let info: Readonly<Record<string, string>>
  try {
    info = await infoOf(place, login, 'INFO')
  } catch (error) {
    const reason = reasonOf(error)
    if (/NOAUTH|WRONGPASS|ERR AUTH|invalid password/i.test(reason))
      return [
        fail('it refuses the password', `set the user and password of ${variableOf(purpose)} to those of redis.conf`),
      ]
    return [fail(`no answer (${reason})`, `start Redis, or correct host and port in ${variableOf(purpose)}`)]
  }
  const version = info.redis_version ?? ''
  const found = [ok(`version ${version}, ${info.role ?? 'role unknown'}`)]
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    found.push(fail(`version ${version} is too old`, 'install Redis 6.2 or newer'))
  if (info.redis_mode === 'sentinel')
    found.push(fail('it is a sentinel, no server', 'write redis+sentinel://HOSTS/MASTER in REDIS_URL'))
  // What is evicted from a cache, or forgotten by it, is asked for again.
  if (purpose === 'cache') return found
  if (info.maxmemory_policy !== undefined && info.maxmemory_policy !== 'noeviction')
    found.push(
      fail(
        `maxmemory-policy is ${info.maxmemory_policy}`,
        'set `maxmemory-policy noeviction`: an evicted counter is a quota that starts anew',
      ),
    )
  if (info.aof_enabled === '0')
    found.push(warn('appendonly is off', 'set `appendonly yes`, or a restart of Redis forgets quotas'))
  return found
}

/** Each sentinel, whether enough of them agree, and the master that they name. */
async function checkSentinels({ places, login, master }: Address, purpose: Purpose): Promise<readonly Finding[]> {
  const asked = await Promise.all(places.map((place) => askSentinel(place, master)))
  const named = asked.find((one) => one.master !== undefined)?.master
  const found = asked.map(({ finding }) => finding)
  if (named === undefined) return found
  const well = asked.filter(({ quorum }) => quorum === true).length
  const { ok, warn } = findings('redis', `master ${master}`)
  if (places.length < 3)
    found.push(
      warn(
        `${places.length} of its sentinels are in REDIS_URL`,
        'run three at least, on different machines, and name all',
      ),
    )
  found.push(
    well === 0
      ? warn(
          'too few sentinels see each other to replace it',
          'start the others; `redis-cli -p 26379 SENTINEL CKQUORUM` tells more',
        )
      : ok(`${nameOf(named)}; the sentinels could replace it`),
  )
  return [...found, ...(await checkServer(named, login, purpose))]
}

async function askSentinel(
  place: Place,
  master: string,
): Promise<{ finding: Finding; master?: Place; quorum?: boolean }> {
  const { ok, fail } = findings('redis', `sentinel ${nameOf(place)}`)
  try {
    const [address] = await askRedis(place, [['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master]])
    if (!Array.isArray(address))
      return {
        finding: fail(
          `it watches no master "${master}"`,
          'write the name of `sentinel monitor` in sentinel.conf at the end of REDIS_URL',
        ),
      }
    const [host = '', port = ''] = address.map(String)
    const quorum = await askRedis(place, [['SENTINEL', 'CKQUORUM', master]]).then(
      () => true,
      () => false,
    )
    return { finding: ok(`watches ${host}:${port}`), master: { host, port: Number(port), tls: place.tls }, quorum }
  } catch (error) {
    const reason = reasonOf(error)
    if (/unknown command/i.test(reason))
      return { finding: fail('it is no sentinel', 'name the sentinels (port 26379) in REDIS_URL, not the servers') }
    return { finding: fail(`no answer (${reason})`, 'start that sentinel, or correct its address in REDIS_URL') }
  }
}

/** Whether somebody serves every slot. */
async function checkCluster({ places, login }: Address): Promise<readonly Finding[]> {
  const { ok, fail } = findings('redis', 'cluster')
  for (const place of places) {
    try {
      const info = await infoOf(place, login, 'CLUSTER', 'INFO')
      const { cluster_state: state, cluster_slots_assigned: slots, cluster_size: masters } = info
      if (state === 'ok' && slots === SLOTS) return [ok(`${masters} masters, all slots served`)]
      return [
        fail(
          `its state is ${state}, ${slots} of ${SLOTS} slots are assigned`,
          '`redis-cli --cluster check` and `--cluster fix` name and mend what is missing',
        ),
      ]
    } catch (error) {
      if (/cluster support disabled/i.test(reasonOf(error)))
        return [
          fail(`${nameOf(place)} is no node of a cluster`, 'write redis:// in REDIS_URL, or set cluster-enabled yes'),
        ]
    }
  }
  // Why no node answers is said of each.
  return []
}

async function infoOf(
  place: Place,
  login: readonly string[],
  ...command: readonly string[]
): Promise<Readonly<Record<string, string>>> {
  const replies = await askRedis(place, [...(login.length > 0 ? [['AUTH', ...login]] : []), command])
  const lines = String(replies.at(-1)).matchAll(/^([a-z_0-9]+):(.*?)\r?$/gm)
  return Object.fromEntries([...lines].map(([, name, value]) => [name, value]))
}
