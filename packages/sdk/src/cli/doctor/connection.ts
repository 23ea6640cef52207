import { lookup } from 'node:dns/promises'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { ClientCertificate } from '../../client-certificate.ts'
import { type Finding, findings, reasonOf } from './finding.ts'

const TIMEOUT_MS = 8_000
const DAY_MS = 86_400_000
/** As deploy/overseas has it. */
const RENEW = 'on that host, in deploy/overseas: `docker compose exec certbot certificates once`'
/** CN of what nginx serves before it has a certificate. */
const PLACEHOLDER = 'no-certificate-yet'
const [WARN_DAYS, FAIL_DAYS] = [14, 3]

/** DNS, TCP, TLS and the certificate, in this order; ends at the first that fails. */
export async function checkConnection(url: URL, shown?: ClientCertificate): Promise<readonly Finding[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
  const found: Finding[] = [await checkName(host)]
  if (found.at(-1)?.state !== 'fail') found.push(await checkTcp(host, port))
  if (found.at(-1)?.state === 'fail' || url.protocol !== 'https:') return found
  return [...found, ...(await checkTls(host, port, shown))]
}

async function checkName(host: string): Promise<Finding> {
  const { ok, fail } = findings('dns', host)
  if (isIP(host)) return ok('an address, no name')
  try {
    const addresses = await lookup(host, { all: true })
    return ok(addresses.map(({ address }) => address).join(', '))
  } catch (error) {
    return fail(
      `the name is not known here (${reasonOf(error)})`,
      `create an A record for ${host}, or correct the address in the settings; compare \`dig ${host}\` and \`dig @223.5.5.5 ${host}\``,
    )
  }
}

async function checkTcp(host: string, port: number): Promise<Finding> {
  const { ok, fail } = findings('tcp', `${host}:${port}`)
  const startedAt = performance.now()
  try {
    const socket = await opened(connect({ host, port }), 'connect')
    socket.destroy()
    return ok(`connected in ${(performance.now() - startedAt).toFixed(0)} ms`)
  } catch (error) {
    const reason = reasonOf(error)
    if (reason === 'ECONNREFUSED')
      return fail('nothing listens there', `start the service (\`docker compose ps\`), or correct the port ${port}`)
    if (reason === 'ECONNRESET')
      return fail('the connection was reset', 'something on the way cuts it: try another port or host')
    return fail(
      `no connection (${reason})`,
      `open port ${port} in the firewall and the cloud's security group; see whether the host runs; try from another network`,
    )
  }
}

async function checkTls(host: string, port: number, shown?: ClientCertificate): Promise<readonly Finding[]> {
  const { ok, fail } = findings('tls', `${host}:${port}`)
  try {
    const socket = connectTls({ host, port, ...shown, ...(isIP(host) ? {} : { servername: host }) })
    await opened(socket, 'secureConnect')
    const found = [ok(`${socket.getProtocol()}, ${socket.getCipher().name}`), certificateDays(host, socket)]
    socket.destroy()
    return found
  } catch (error) {
    const reason = reasonOf(error)
    const isPlaceholder = /SELF_SIGNED/.test(reason) && (await commonName(host, port)) === PLACEHOLDER
    const [detail, todo] = isPlaceholder ? NO_CERTIFICATE_YET : tlsFault(reason, host)
    return [fail(`${detail} (${reason})`, todo)]
  }
}

const NO_CERTIFICATE_YET = [
  'it has no certificate yet and shows a placeholder',
  'its A record must lead to it and port 80 be open to the internet: `docker compose logs --tail 50 certbot` there says what failed',
] as const

/** Of a certificate that nobody vouches for; nothing is sent to who shows it. */
async function commonName(host: string, port: number): Promise<string | undefined> {
  try {
    const socket = await opened(connectTls({ host, port, rejectUnauthorized: false }), 'secureConnect')
    const { CN } = socket.getPeerCertificate().subject
    socket.destroy()
    return [CN].flat()[0]
  } catch {
    return undefined
  }
}

function tlsFault(reason: string, host: string): readonly [string, string] {
  if (reason === 'CERT_HAS_EXPIRED')
    return ['the certificate has expired', `${RENEW}; see in its log why that did not happen by itself`]
  if (reason === 'CERT_NOT_YET_VALID')
    return ['the certificate is not valid yet', 'set the clock of this machine right (chrony)']
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return [
      `the certificate is not for ${host}`,
      `issue one for ${host}, or call the host by the name in its certificate`,
    ]
  if (/SELF_SIGNED|UNABLE_TO_(VERIFY|GET)/.test(reason))
    return [
      'nobody known here has signed the certificate',
      'serve the whole chain (fullchain.pem), or name your own authority in NODE_EXTRA_CA_CERTS',
    ]
  if (/ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/.test(reason))
    return [
      'it refuses our client certificate, or wants one',
      'set RELAY_CLIENT_CERT_FILE and RELAY_CLIENT_KEY_FILE to a pair that its authority signed (docs/deploy)',
    ]
  if (/EPROTO|WRONG_VERSION|ERR_SSL/.test(reason))
    return ['no TLS is spoken there', 'the address should be http://…, or nginx lacks `ssl` on this port']
  return ['the TLS handshake fails', 'something on the way may cut it by the name in it: try another name or port']
}

function certificateDays(host: string, socket: TLSSocket): Finding {
  const { ok, warn, fail } = findings('certificate', host)
  const days = (Date.parse(socket.getPeerCertificate().valid_to) - Date.now()) / DAY_MS
  const detail = `good for ${days.toFixed(1)} days`
  const todo = `${RENEW}, and mend what it names`
  if (days < FAIL_DAYS) return fail(detail, todo)
  return days < WARN_DAYS ? warn(detail, todo) : ok(detail)
}

function opened<S extends Socket>(socket: S, event: 'connect' | 'secureConnect'): Promise<S> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })))
    socket.once('error', reject)
    socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })))
    socket.once(event, () => {
      socket.setTimeout(0)
      resolve(socket)
    })
  })
}
