import { MASK } from '@llm-ferry/kit'

/** A Redis server, as `host:port`. */
export interface RedisNode {
  readonly host: string
  readonly port: number
}

/** What REDIS_URL says. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  /** One server; the sentinels; or some of the cluster's nodes. */
  readonly nodes: readonly [RedisNode, ...RedisNode[]]
  /** Name by which the sentinels know the master. */
  readonly master: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  readonly tls: boolean
}

const FORM = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#]+)(?:\/([^?#]*))?$/

const EXAMPLES =
  'redis://host:6379/0, rediss://user:password@host:6379, redis+sentinel://host1:26379,host2:26379/master-name or ' +
  'redis+cluster://host1:6379,host2:6379'

/**
 * Reads an address: `redis://`, `rediss://` (TLS), `redis+sentinel://HOSTS/MASTER[/DB]`, `redis+cluster://HOSTS`, and
 * the last two with `rediss`. User and password are percent-encoded. Throws an Error that completes "NAME …".
 */
export function parseRedisAddress(text: string): RedisAddress {
  const match = FORM.exec(text)
  if (match === null) throw new Error(`must be ${EXAMPLES}`)
  const [, scheme, way, user, password, hosts = '', path = ''] = match
  const kind = way === 'sentinel' || way === 'cluster' ? way : 'single'
  const parts = path.split('/').filter((part) => part !== '')
  const master = kind === 'sentinel' ? parts.shift() : undefined
  if (kind === 'sentinel' && master === undefined) throw new Error('must end in the master’s name: …:26379/mymaster')
  const [database, ...rest] = parts
  if (rest.length > 0) throw new Error(`must be ${EXAMPLES}`)
  if (kind === 'cluster' && database !== undefined) throw new Error('must not name a database: a cluster has only one')
  const nodes = parseNodes(hosts, kind)
  return {
    kind,
    nodes,
    master,
    username: decoded(user),
    password: decoded(password),
    database: parseDatabase(database),
    tls: scheme === 'rediss',
  }
}

function parseNodes(hosts: string, kind: RedisAddress['kind']): [RedisNode, ...RedisNode[]] {
  const [first, ...others] = hosts.split(',').map((host) => parseNode(host.trim(), kind === 'sentinel' ? 26_379 : 6379))
  if (first === undefined) throw new Error(`must be ${EXAMPLES}`)
  if (kind === 'single' && others.length > 0) {
    throw new Error('names several hosts: write redis+sentinel:// or redis+cluster://')
  }
  return [first, ...others]
}

function parseNode(text: string, defaultPort: number): RedisNode {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? plain
  const number = port === undefined ? defaultPort : Number(port)
  if (host === undefined || number < 1 || number > 65_535) throw new Error('names a host that is not host:port')
  return { host, port: number }
}

function parseDatabase(text: string | undefined): number {
  if (text === undefined) return 0
  if (!/^\d{1,4}$/.test(text)) throw new Error('must end in a database number, such as /0')
  return Number(text)
}

function decoded(text: string | undefined): string | undefined {
  if (!text) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('has a user or password that is not percent-encoded')
  }
}

/** An address as it may be shown: without the password. */
export function redisAddressShown({
  kind,
  nodes,
  master,
  username = '',
  password,
  database,
  tls,
}: RedisAddress): string {
  const scheme = `${tls ? 'rediss' : 'redis'}${kind === 'single' ? '' : `+${kind}`}`
  const login = password === undefined ? username : `${username}:${MASK}`
  const hosts = nodes.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',')
  const path = [master, kind === 'cluster' ? undefined : String(database)].filter((part) => part !== undefined)
  return `${scheme}://${login === '' ? '' : `${login}@`}${[hosts, ...path].join('/')}`
}
