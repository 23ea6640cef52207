import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Agent, fetch as fetchWith } from 'undici'
import { expect, it, onTestFinished } from 'vitest'
import { createCertificates } from '../testkit/certs.ts'
import { chatBytes, DIALECTS, sseHead } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import { RawClient } from '../testkit/raw-client.ts'
import { afterBody, chunk, delay, lastChunk, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { relayEnv, startRelay } from '../testkit/services.ts'
import { overseasEnv, startFront } from './front.ts'

const SCRIPT = fileURLToPath(new URL('../../deploy/images/certificates', import.meta.url))
const DOMAIN = 'ferry.test'
const { openai } = DIALECTS

// certbot against Debian's pebble, an ACME authority for tests, which looks for the proof at the running nginx.
it('gets a certificate by webroot and renews it while a stream runs on', { timeout: 120_000 }, async () => {
  const own = createCertificates()
  const folder = mkdtempSync(join(tmpdir(), 'ferry-acme-'))
  chmodSync(folder, 0o755)
  const [acme, tls] = [join(folder, 'acme'), join(folder, 'tls')]
  for (const one of [acme, tls]) mkdirSync(one)
  const vendor = await ScriptedVendor.start()
  const env = relayEnv(vendor.origin, { TRUSTED_PROXIES: '127.0.0.1/32' })
  const relays = [await startRelay(env), await startRelay(env)] as const
  const front = await startFront('overseas', {
    ...overseasEnv(own, relays),
    FERRY_TLS_CERT: join(tls, 'current/fullchain.pem'),
    FERRY_TLS_KEY: join(tls, 'current/privkey.pem'),
    FERRY_ACME_ROOT: acme,
  })
  const children: ChildProcess[] = []
  onTestFinished(async () => {
    for (const child of children) await end(child)
    await front.stop()
    for (const relay of relays) await relay.stop()
    await vendor.stop()
    rmSync(folder, { recursive: true, force: true })
    own.remove()
  })

  const [directory, management, dns, dnsManagement] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  const config = join(folder, 'pebble.json')
  writeFileSync(
    config,
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${directory}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: own.certFile,
        privateKey: own.keyFile,
        httpPort: front.httpPort,
        tlsPort: front.httpsPort,
        ocspResponderURL: '',
        externalAccountBindingRequired: false,
      },
    }),
  )
  const none = ['-http01', '', '-https01', '', '-tlsalpn01', '']
  const names = ['-defaultIPv4', '127.0.0.1', '-defaultIPv6', '', '-dns01', `127.0.0.1:${dns}`]
  children.push(
    spawn('pebble-challtestsrv', [...names, ...none, '-management', `127.0.0.1:${dnsManagement}`], { stdio: 'ignore' }),
    spawn('pebble', ['-config', config, '-dnsserver', `127.0.0.1:${dns}`], {
      stdio: 'ignore',
      env: { PATH: process.env.PATH, PEBBLE_VA_NOSLEEP: '1' },
    }),
  )
  const server = `https://localhost:${directory}/dir`
  await eventually('pebble listens', () => listens(directory), 10_000)

  const acmeEnv = {
    PATH: process.env.PATH,
    FERRY_DOMAIN: DOMAIN,
    FERRY_ACME_SERVER: server,
    FERRY_ACME_ROOT: acme,
    FERRY_TLS_DIR: tls,
    FERRY_ACME_HOME: join(folder, 'letsencrypt'),
    REQUESTS_CA_BUNDLE: own.caFile,
  }
  const certificates = (...args: string[]) => promisify(execFile)(SCRIPT, args, { env: acmeEnv })

  expect((await shown(front.httpsPort)).issuer).toBe('no-certificate-yet')
  await certificates('once')
  await eventually('nginx shows it', async () => (await shown(front.httpsPort)).issuer?.startsWith('Pebble') === true)
  const first = await shown(front.httpsPort)
  expect(first.names).toBe(`DNS:${DOMAIN}`)

  // What nginx cannot be handed is no success: the loop tells, and tries again.
  const loop = spawn(SCRIPT, [], {
    env: { ...acmeEnv, FERRY_TLS_DIR: '/dev/null/tls' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  children.push(loop)
  let told = ''
  loop.stderr.on('data', (text) => {
    told += text
  })
  await eventually(
    'the loop says that there is none',
    () => told.includes('certificates: no certificate; again in'),
    20_000,
  )
  await end(loop)

  // Not due: nothing is asked for; what was spoilt meanwhile is handed over again.
  writeFileSync(join(tls, 'current/fullchain.pem'), 'spoilt')
  await certificates('once')
  expect(readFileSync(join(tls, 'current/fullchain.pem'), 'utf8')).toContain('BEGIN CERTIFICATE')
  await sleep(500)
  expect((await shown(front.httpsPort)).fingerprint).toBe(first.fingerprint)

  const pieces = Array.from({ length: 80 }, (_, i) => [chunk(`data: ${i}\n\n`), delay(100)]).flat()
  vendor.script = afterBody(() => [sseHead(), ...pieces, chunk('data: [DONE]\n\n'), lastChunk()])
  const dispatcher = new Agent({ connect: { ca: own.ca } })
  const ca = await (await fetchWith(`https://localhost:${management}/roots/0`, { dispatcher })).text()
  await dispatcher.close()
  const client = await RawClient.connect(front.httpsPort, { ca, servername: DOMAIN })
  await client.send(chatBytes(openai, { streamed: true }))
  expect(await client.until(() => client.text.includes('data: 1'))).toBe(true)
  await certificates('once', '--force')
  await eventually(
    'nginx shows the new one',
    async () => (await shown(front.httpsPort)).fingerprint !== first.fingerprint,
  )
  expect(client.text).not.toContain('[DONE]')
  expect(await client.until(() => client.text.includes('[DONE]'), 20_000)).toBe(true)
  const [answer] = await client.answered()
  expect(answer?.complete).toBe(true)
  expect(client.text).toContain('data: 79')
})

/** The certificate that a port shows. */
async function shown(
  port: number,
): Promise<{ issuer: string | undefined; names: string | undefined; fingerprint: string }> {
  const socket = connect({ port, host: '127.0.0.1', servername: DOMAIN, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { issuer, subjectaltname, fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return { issuer: issuer?.CN?.toString(), names: subjectaltname, fingerprint: fingerprint256 }
}

const listens = (port: number): Promise<boolean> =>
  shown(port).then(
    () => true,
    () => false,
  )

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}
