import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Finding, findings, reasonOf } from './finding.ts'

const TIMEOUT_MS = 5_000
const OLDEST = [6, 2] as const

/** The store of quotas: reachable, new enough, and set so that no counter is lost. */
export async function checkRedis(address: string): Promise<readonly Finding[]> {
  const nodes = nodesOf(address)
  if (nodes === undefined)
    return [findings('redis', 'REDIS_URL').fail('it is no Redis address', 'set it to redis://:PASSWORD@HOST:6379/0')]
  return (await Promise.all(nodes.map(checkNode))).flat()
}

/** Sentinel and Cluster addresses name several hosts before the path. */
function nodesOf(address: string): readonly URL[] | undefined {
  const [, scheme = '', login = '', hosts = '', path = ''] = /^([a-z+]+):\/\/([^@]*@)?([^/]+)(.*)$/.exec(address) ?? []
  if (!/^rediss?(\+sentinel|\+cluster)?$/.test(scheme)) return undefined
  const isPlain = !scheme.includes('+')
  const urls = hosts.split(',').map((host) => `${scheme.split('+')[0]}://${login}${host}${isPlain ? path : ''}`)
  return urls.every((url) => URL.canParse(url)) ? urls.map((url) => new URL(url)) : undefined
}

async function checkNode(url: URL): Promise<readonly Finding[]> {
  const { ok, warn, fail } = findings('redis', url.host)
  let info: Readonly<Record<string, string>>
  try {
    info = await infoOf(url)
  } catch (error) {
    const reason = reasonOf(error)
    if (/NOAUTH|WRONGPASS|ERR AUTH|invalid password/i.test(reason))
      return [fail('it refuses the password', 'set the user and password of REDIS_URL to those of redis.conf')]
    return [fail(`no answer (${reason})`, 'start Redis, or correct host and port in REDIS_URL')]
  }
  const version = info.redis_version ?? ''
  const found = [ok(`version ${version}, ${info.role ?? 'role unknown'}`)]
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    found.push(fail(`version ${version} is too old`, 'install Redis 6.2 or newer'))
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

/** INFO, over a connection of its own. */
function infoOf(url: URL): Promise<Readonly<Record<string, string>>> {
  const port = Number(url.port) || 6379
  const host = url.hostname
  return new Promise((resolve, reject) => {
    const socket = url.protocol === 'rediss:' ? connectTls({ host, port, servername: host }) : connect({ host, port })
    const end = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    socket.setTimeout(TIMEOUT_MS, () => end(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    socket.once('error', end)
    socket.once('close', () => end(new Error('the connection was closed')))
    const login = [url.username, url.password].filter(Boolean).map(decodeURIComponent)
    socket.once(url.protocol === 'rediss:' ? 'secureConnect' : 'connect', () => {
      if (login.length > 0) socket.write(command('AUTH', ...login))
      socket.write(command('INFO'))
    })
    let text = ''
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      const refused = /^-(.*)\r\n/m.exec(text)?.[1]
      if (refused !== undefined) return end(new Error(refused))
      const [head, length] = /\$(\d+)\r\n/.exec(text) ?? []
      if (head === undefined) return
      const body = text.slice(text.indexOf(head) + head.length)
      if (Buffer.byteLength(body) < Number(length)) return
      socket.destroy()
      resolve(Object.fromEntries([...body.matchAll(/^([a-z_0-9]+):(.*)\r$/gm)].map(([, name, value]) => [name, value])))
    })
  })
}

const command = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
