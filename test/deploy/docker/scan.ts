import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const NAMESPACE = 'ferry-scan'
const [HERE, THERE] = ['10.213.77.1', '10.213.77.2']

/** This machine's addresses on the cable. */
export const HERE_4: string = HERE
export const HERE_6 = 'fd00:77::1'

const ip = (...args: string[]): unknown => execFileSync('ip', args, { stdio: 'pipe' })

/** Also what a run that was killed has left; its end of the cable goes with the namespace. */
const remove = (): unknown => ip('netns', 'del', NAMESPACE)

/** A second machine, as far as the network goes: a namespace that reaches this one over a cable. */
export function openOutside(): {
  openPorts(): readonly number[]
  canReach(address: string, port: number): boolean
  /** Status of a GET, without a look at the certificate; 0 where nobody answers. */
  status(url: string): number
  close(): void
} {
  if (existsSync(`/run/netns/${NAMESPACE}`)) remove()
  ip('netns', 'add', NAMESPACE)
  ip('link', 'add', 'ferry-scan0', 'type', 'veth', 'peer', 'name', 'ferry-scan1', 'netns', NAMESPACE)
  ip('addr', 'add', `${HERE}/24`, 'dev', 'ferry-scan0')
  ip('link', 'set', 'ferry-scan0', 'up')
  ip('-n', NAMESPACE, 'addr', 'add', `${THERE}/24`, 'dev', 'ferry-scan1')
  ip('addr', 'add', `${HERE_6}/64`, 'dev', 'ferry-scan0', 'nodad')
  ip('-n', NAMESPACE, 'addr', 'add', 'fd00:77::2/64', 'dev', 'ferry-scan1', 'nodad')
  ip('-n', NAMESPACE, 'link', 'set', 'ferry-scan1', 'up')
  ip('-n', NAMESPACE, 'route', 'add', 'default', 'via', HERE)
  const inside = (code: string): string =>
    execFileSync('ip', ['netns', 'exec', NAMESPACE, process.execPath, '-e', code], { encoding: 'utf8' })
  return {
    openPorts: () => JSON.parse(inside(SCAN)),
    canReach: (address, port) =>
      inside(`${TRY}; answers('${address}', ${port}).then((yes) => console.log(yes))`).trim() === 'true',
    status: (url) => Number(inside(`${GET}; get('${url}').then((status) => console.log(status))`)),
    close: remove,
  }
}

const TRY = `const { connect } = require('node:net')
const answers = (host, port) => new Promise((resolve) => {
  const socket = connect({ host, port, timeout: 2000 })
  const end = (yes) => { socket.destroy(); resolve(yes) }
  socket.on('connect', () => end(true)).on('error', () => end(false)).on('timeout', () => end(false))
})`
const GET = `const get = (url) => new Promise((resolve) => {
  const { request } = require(new URL(url).protocol.slice(0, -1))
  const options = { rejectUnauthorized: false, timeout: 3000, headers: { authorization: 'Bearer x' } }
  const asked = request(url, options, ({ statusCode }) => { asked.destroy(); resolve(statusCode) })
  asked.on('error', () => resolve(0)).on('timeout', () => { asked.destroy(); resolve(0) }).end()
})`
const SCAN = `${TRY}
let next = 1
const open = []
const lane = async () => { while (next < 65536) { const port = next++; if (await answers('${HERE}', port)) open.push(port) } }
Promise.all(Array.from({ length: 200 }, lane)).then(() => console.log(JSON.stringify(open.sort((a, b) => a - b))))`
