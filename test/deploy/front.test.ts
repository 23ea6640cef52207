import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { Agent, fetch as fetchWith } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { type ClientAuthority, createClientAuthority } from '../testkit/client-certs.ts'
import { chatBytes, DIALECTS, json, sseHead } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import { headerOf, RawClient } from '../testkit/raw-client.ts'
import { afterBody, chunk, delay, lastChunk, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { relayEnv, type Service, startRelay } from '../testkit/services.ts'
import { type Front, overseasEnv, startFront } from './front.ts'

const { openai } = DIALECTS

// What happens to the front while it runs: certificates, drains, callers' certificates, relays that cannot be reached.

describe('deploy/images/front', () => {
  let server: Certificates
  let callers: ClientAuthority
  let vendor: ScriptedVendor
  let relays: [Service, Service]
  const opened: Front[] = []

  beforeAll(async () => {
    server = createCertificates()
    callers = createClientAuthority()
    vendor = await ScriptedVendor.start()
    const env = relayEnv(vendor.origin, { TRUSTED_PROXIES: '127.0.0.1/32' })
    relays = [await startRelay(env), await startRelay(env)]
  })
  beforeEach(() => {
    vendor.clear()
    vendor.script = afterBody(() => json(openai.answer))
    return async () => {
      for (const front of opened.splice(0)) await front.stop()
    }
  })
  afterAll(async () => {
    for (const relay of relays) await relay.stop()
    await vendor.stop()
    for (const one of [server, callers]) one.remove()
  })

  const open = async (more: Readonly<Record<string, string>> = {}): Promise<Front> => {
    const front = await startFront('overseas', { ...overseasEnv(server, relays), ...more })
    opened.push(front)
    return front
  }
  const ask = async (front: Front) => {
    const client = await RawClient.connect(front.httpsPort, { ca: server.ca })
    await client.send(chatBytes(openai))
    const [answer] = await client.answered()
    client.destroy()
    if (answer === undefined) throw new Error('no answer')
    return answer
  }
  const get = async (
    front: Front,
    path: string,
    connect: Readonly<{ cert?: string; key?: string; rejectUnauthorized?: boolean }> = {},
  ): Promise<{ status: number; text: string; error: string | null; reached: string | null }> => {
    const { cert, key, rejectUnauthorized = true } = connect
    const shown = cert === undefined ? {} : { cert, key }
    const dispatcher = new Agent({ connect: { ca: server.ca, rejectUnauthorized, ...shown } })
    const answer = await fetchWith(`https://localhost:${front.httpsPort}${path}`, { dispatcher })
    const text = await answer.text()
    await dispatcher.close()
    const [error, reached] = [answer.headers.get('x-ferry-error'), answer.headers.get('x-ferry-reached')]
    return { status: answer.status, text, error, reached }
  }
  const served = (): readonly number[] =>
    relays.map(({ lines }) => lines.filter((line) => line.includes('/chat/completions')).length)
  const issuerOf = async (front: Front): Promise<string | undefined> => {
    const socket = connectTls({ port: front.httpsPort, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }

  it('takes a new certificate while a stream runs on', async () => {
    const mine = createCertificates()
    const front = await open({ FERRY_TLS_CERT: mine.certFile, FERRY_TLS_KEY: mine.keyFile })
    const former = await issuerOf(front)
    vendor.script = afterBody(() => [
      sseHead(),
      chunk('data: 1\n\n'),
      delay(3000),
      chunk('data: [DONE]\n\n'),
      lastChunk(),
    ])
    const client = await RawClient.connect(front.httpsPort, { ca: mine.ca })
    await client.send(chatBytes(openai, { streamed: true }))
    expect(await client.until(() => client.text.includes('data: 1'))).toBe(true)
    // Only the one, as in the middle of a renewal: what serves goes on.
    copyFileSync(server.certFile, mine.certFile)
    await sleep(600)
    expect(await issuerOf(front)).toBe(former)
    copyFileSync(server.keyFile, mine.keyFile)
    await eventually('the new one is shown', async () => (await issuerOf(front)) !== former, 5000)
    const [answer] = await client.answered()
    expect(answer?.complete).toBe(true)
    client.destroy()
    mine.remove()
  })

  it('serves with a certificate that nobody trusts until there is one', async () => {
    const front = await open({ FERRY_TLS_CERT: '/nowhere/fullchain.pem', FERRY_TLS_KEY: '/nowhere/privkey.pem' })
    expect((await get(front, '/health', { rejectUnauthorized: false })).status).toBe(200)
    await expect(get(front, '/health')).rejects.toThrow()
  })

  it('gives a drained relay nothing new, and takes it back', async () => {
    const front = await open()
    front.command('drain', '1')
    await sleep(300)
    const [before = 0] = served()
    for (let i = 0; i < 6; i++) expect((await ask(front)).status).toBe(200)
    expect(served()[0]).toBe(before)
    front.command('undrain', '1')
    await sleep(300)
    for (let i = 0; i < 6; i++) await ask(front)
    await eventually('it serves again', () => (served()[0] ?? 0) > before)
  })

  it('lets nothing that a vendor answers steer nginx', async () => {
    const front = await open()
    vendor.script = afterBody(() =>
      json(openai.answer, 200, [
        ['x-accel-redirect', '/health'],
        ['x-accel-limit-rate', '1'],
      ]),
    )
    const answer = await ask(front)
    expect(answer.body.toString()).toBe(openai.answer)
  })

  it('shows metrics to monitoring certificates, and to nobody else', async () => {
    const nobody = `127.0.0.1:${await freePort()}`
    const front = await open({ FERRY_CLIENT_CA: callers.caFile, FERRY_NODE_METRICS: nobody })
    const monitoring = callers.issue('monitoring', 'prometheus')
    const expired = callers.expired(monitoring)
    for (const path of ['/metrics/relay-1', '/metrics/relay-2', '/metrics/nginx']) {
      expect((await get(front, path)).status).toBe(404)
      // Of a BFF, and of one that has put the role into its name.
      for (const name of ['bff-1', 'OU.monitoring']) {
        expect((await get(front, path, callers.issue('bff', name))).status).toBe(404)
      }
      for (const bad of [{ cert: server.cert, key: server.key }, expired]) {
        const refused = await get(front, path, bad)
        expect(refused).toMatchObject({ status: 403, error: 'client_certificate_refused' })
        expect(refused.text).toContain('FAILED:')
      }
      expect((await get(front, path, monitoring)).status).toBe(200)
    }
    // Without a certificate it is not even asked for; with one, and no exporter there, the error is nginx's own.
    expect((await get(front, '/metrics/node')).status).toBe(404)
    expect((await get(front, '/metrics/node', callers.issue('bff', 'bff-1'))).status).toBe(404)
    expect((await get(front, '/metrics/node', monitoring)).status).toBe(502)
    expect((await get(front, '/metrics/relay-1', monitoring)).text).toContain('process_cpu_user_seconds_total')
    expect((await get(front, '/metrics', monitoring)).status).toBe(404)
    expect((await get(front, '/ready')).status).toBe(200)
    // Calls need none here.
    expect((await get(front, '/proxy/openai/v1/models')).status).toBe(401)
  })

  it('takes callers with a certificate for calls only, where it is told to', async () => {
    const front = await open({ FERRY_CLIENT_CA: callers.caFile, FERRY_CLIENT_CERT: 'all' })
    const monitoring = callers.issue('monitoring', 'prometheus')
    for (const shown of [{}, monitoring]) {
      const refused = await get(front, '/proxy/openai/v1/models', shown)
      expect(refused).toMatchObject({ status: 403, error: 'client_certificate_refused', reached: 'no' })
      expect(JSON.parse(refused.text)).toMatchObject({ error: { code: 'client_certificate_refused' } })
    }
    // A path that ends as a probe's, or has a part of its own choice that looks like one.
    for (const end of [':/health', ':/ready', ':/metrics/relay-1', 'all:calls:/health'])
      expect(await get(front, `/proxy/openai/v1/${end}`, monitoring), end).toMatchObject({ status: 403, reached: 'no' })
    expect((await get(front, '/health')).status).toBe(200)
    expect((await get(front, '/metrics/relay-1', monitoring)).status).toBe(200)
    const bff = callers.issue('bff', 'bff-1')
    expect((await get(front, '/metrics/relay-1', bff)).status).toBe(404)
    expect((await get(front, '/proxy/openai/v1/models', bff)).status).toBe(401)
  })

  it('knows monitoring certificates of another authority by the subject it is told', async () => {
    const env = { FERRY_CLIENT_CA: callers.caFile, FERRY_METRICS_SUBJECT: 'CN=prom-[0-9]+' }
    const front = await open(env)
    expect((await get(front, '/metrics/nginx', callers.issue('bff', 'prom-7'))).status).toBe(200)
    expect((await get(front, '/metrics/nginx', callers.issue('monitoring', 'other'))).status).toBe(404)
  })

  it('is ready while one relay is, and as soon as it is, however often that was asked before', async () => {
    const [port, nobody] = [await freePort(), await freePort()]
    const front = await open({ FERRY_RELAY_1: `127.0.0.1:${port}`, FERRY_RELAY_2: `127.0.0.1:${nobody}` })
    const asked = async (): Promise<Set<number>> =>
      new Set(await Promise.all(Array.from({ length: 8 }, async () => (await get(front, '/ready')).status)))
    expect(await asked()).toEqual(new Set([502]))
    const late = await startRelay(relayEnv(vendor.origin, { PORT: String(port), TRUSTED_PROXIES: '127.0.0.1/32' }))
    try {
      expect(await asked()).toEqual(new Set([200]))
      expect((await ask(front)).status).toBe(200)
    } finally {
      await late.stop()
    }
  })

  it('waits a second for a relay that does not take the connection, then asks the other', async () => {
    const stuck = [await startStuck(), await startStuck()] as const
    try {
      const front = await open({ FERRY_RELAY_1: `127.0.0.1:${stuck[0].port}` })
      // The first relay's turn comes at once or with the next call.
      for (let i = 0; i < 2; i++) {
        const startedAt = performance.now()
        expect((await ask(front)).status).toBe(200)
        expect(performance.now() - startedAt).toBeLessThan(2500)
      }
      const none = await open({
        FERRY_RELAY_1: `127.0.0.1:${stuck[0].port}`,
        FERRY_RELAY_2: `127.0.0.1:${stuck[1].port}`,
      })
      const startedAt = performance.now()
      const answer = await ask(none)
      expect(performance.now() - startedAt).toBeLessThan(4000)
      expect(answer.status).toBe(504)
      expect(headerOf(answer, 'x-ferry-error')).toBe('upstream_timeout')
      expect(headerOf(answer, 'x-ferry-reached')).toBe('no')
      expect(JSON.parse(answer.body.toString())).toMatchObject({ error: { code: 'upstream_timeout' } })
    } finally {
      for (const one of stuck) one.stop()
    }
  })
})

/** A port whose queue of connections is full: one more is neither taken nor refused, as with a host that has vanished. */
async function startStuck(): Promise<{ readonly port: number; stop(): void }> {
  const port = await freePort()
  const code = `require('node:net').createServer().listen({ port: ${port}, host: '127.0.0.1', backlog: 1 }, () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  child.kill('SIGSTOP')
  const sockets: Socket[] = []
  for (let i = 0; i < 8; i++) sockets.push(connect(port, '127.0.0.1').on('error', () => {}))
  await sleep(200)
  return {
    port,
    stop: () => {
      for (const socket of sockets) socket.destroy()
      child.kill('SIGKILL')
    },
  }
}
