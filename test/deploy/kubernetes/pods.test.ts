import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../../testkit/certs.ts'
import { eventually } from '../../testkit/eventually.ts'
import { type RedisServer, startRedis } from '../../testkit/redis.ts'
import { type Chat, chat, type Door, load } from '../chats.ts'
import { type StreamingVendor, startVendor } from '../vendor.ts'
import { type Bridge, portTo, socketTo } from './bridge.ts'
import { copyOfDeploy, type DeployCopy, kubernetesTools, type Manifest, manifest, manifestsOf } from './manifests.ts'
import { type Pod, startPod } from './pod.ts'
import { routeTo } from './services.ts'
import { writeProjected } from './volumes.ts'

// What the overlays `overseas` and `domestic` render, as it would run on nodes: each Pod in a network of its own, its
// containers with exactly the environment, files, users, ports and limits to what they may that the manifests say.

const KEY = 'bff-key-of-app-0123456789abcdef'
const TOKEN = 'relay-token-of-bff-0123456789abcdef'
const HOSTS = ['relay-0', 'relay-1'] as const

describe('the Pods of overseas and domestic', () => {
  let folder: string
  let copy: DeployCopy
  let certificates: Certificates
  let vendor: StreamingVendor
  let redis: RedisServer
  const bridges: Bridge[] = []
  let overseas: readonly Manifest[]
  let domestic: readonly Manifest[]
  const pods = new Map<string, Pod>()
  const pod = (name: string): Pod => {
    const found = pods.get(name)
    if (found === undefined) throw new Error(`there is no Pod ${name}`)
    return found
  }
  let door: Door

  /** A relay host, as its StatefulSet would make it. */
  const startHost = async (name: string): Promise<void> => {
    const { template, volumeClaimTemplates } = manifest(overseas, 'StatefulSet', 'relay').spec
    const routes = [{ host: 'vendor.example.com', port: 80, socket: join(folder, 'vendor.sock') }]
    const claims = volumeClaimTemplates.map(({ metadata }: Manifest) => metadata.name)
    pods.set(name, await startPod({ name, spec: template.spec, objects: overseas, folder, routes, claims }))
  }
  const startBffPod = async (): Promise<void> => {
    const routes = [
      ...HOSTS.map((name) => routeTo(overseas, name, folder, `${name}.example.com`)),
      { host: 'redis.example.cn', port: 6379, socket: join(folder, 'redis.sock') },
    ]
    const { spec } = manifest(domestic, 'Deployment', 'bff').spec.template
    pods.set('bff', await startPod({ name: 'bff', spec, objects: domestic, folder, routes }))
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ferry-pods-'))
    copy = copyOfDeploy(await kubernetesTools())
    certificates = createCertificates(['relay-0.example.com', 'relay-1.example.com'])
    vendor = await startVendor()
    redis = await startRedis()
    fillIn(copy, certificates)
    const { ca, cert, key } = certificates
    overseas = [
      ...manifestsOf(copy.render('overlays/overseas')),
      secret('relay-tls', { 'tls.crt': cert, 'tls.key': key }),
      secret('relay-client-ca', { 'ca.crt': ca }),
    ]
    domestic = [
      ...manifestsOf(copy.render('overlays/domestic')),
      secret('bff-client-tls', { 'tls.crt': cert, 'tls.key': key }),
    ]
    bridges.push(await socketTo(vendor.port, join(folder, 'vendor.sock')))
    bridges.push(await socketTo(redis.port, join(folder, 'redis.sock')))
    // All, so that none starts after the end.
    const started = await Promise.allSettled(HOSTS.map(startHost))
    for (const one of started) if (one.status === 'rejected') throw one.reason
    await startBffPod()
    const way = await portTo(pod('bff').socket(8080))
    bridges.push(way)
    door = { origin: `http://127.0.0.1:${way.port}`, key: KEY }
  }, 120_000)
  afterAll(async () => {
    await Promise.all([...pods.values()].map((one) => one.kill()))
    for (const bridge of bridges) void bridge.stop()
    await redis?.stop()
    await vendor?.stop()
    certificates?.remove()
    copy?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  const faults = (chats: readonly Chat[]): readonly Chat[] =>
    chats.filter(({ status, isWhole }) => status !== 200 || !isWhole)
  const expectOneCallEach = (chats: readonly Chat[]): void => {
    for (const { id } of chats) expect(vendor.calls.get(id) ?? 0, id).toBeLessThanOrEqual(1)
  }

  it('stream a chat through, and write it into the ledger', async () => {
    const answer = await chat(door)
    expect(answer).toMatchObject({ status: 200, isWhole: true })
    expectOneCallEach([answer])
    const { requestId } = answer
    await eventually('the ledger has it', () => pod('bff').container('bff').log().includes(`${requestId}`))
  })

  it('take no call without a certificate', async () => {
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const { ca } = certificates
      const socketPath = pod('relay-0').socket(8443)
      const asking = request({
        socketPath,
        path: '/proxy/openai/models',
        ca,
        servername: 'relay-0.example.com',
        agent: false,
      })
      asking
        .once('response', (response) => resolve(response.resume().statusCode))
        .once('error', reject)
        .end()
    })
    expect(answer).toBe(403)
  })

  it('answer all their probes', async () => {
    for (const one of pods.values()) {
      const probes = await one.probes()
      expect(probes.length).toBeGreaterThan(2)
      expect(probes.filter((line) => !line.endsWith(': 200') && !line.endsWith(': 204'))).toEqual([])
    }
  })

  it.each([
    ['relay-1', 'relay-0'],
    ['nginx', 'relay-0'],
    ['bff', 'bff'],
  ])('may not write but to their volumes, nor have a capability: %s', async (name, of) => {
    const container = pod(of).container(name)
    expect(await container.exec(['grep', '-Eq', '^CapEff:\\s0+$', '/proc/self/status'])).toBe(0)
    expect(await container.exec(['grep', '-Eq', '^NoNewPrivs:\\s1$', '/proc/self/status'])).toBe(0)
    expect(await container.exec(['grep', '-Eq', '^Uid:\\s0', '/proc/self/status'])).toBe(1)
    expect(await container.exec(['touch', '/tmp/x'])).toBe(0)
    for (const place of ['/etc/ferry/x', '/usr/x', '/x']) expect(await container.exec(['touch', place]), place).toBe(1)
  })

  it('take a new token without a restart, as the kubelet brings it', async () => {
    const token = 'relay-token-of-another-0123456789'
    const { volumes } = pod('relay-0')
    const places = [pod('relay-0').socket(3000), pod('relay-0').socket(3001)]
    const secret = manifest(overseas, 'Secret', 'relay-secrets').data ?? {}
    const data = Object.fromEntries(Object.entries(secret).map(([key, text]) => [key, Buffer.from(text, 'base64')]))
    const ways = await Promise.all(places.map(portTo))
    const statuses = (): Promise<readonly number[]> =>
      Promise.all(
        ways.map(async ({ port }) => {
          const headers = { authorization: `Bearer ${token}`, connection: 'close' }
          const answer = await fetch(`http://127.0.0.1:${port}/proxy/openai/models`, { headers })
          await answer.text()
          return answer.status
        }),
      )
    expect(await statuses()).toEqual([401, 401])
    writeProjected(
      volumes.secrets ?? '',
      { ...data, RELAY_TOKENS: Buffer.from(`bff:${TOKEN},new:${token}`) },
      1000,
      0o440,
    )
    await eventually('both take it', async () => (await statuses()).every((status) => status === 200), 8000)
    for (const way of ways) void way.stop()
  })

  it('finish what they hold when a relay host is deleted, even over a line that resets meanwhile', async () => {
    const running = load(door, 8)
    await sleep(700)
    const termination = pod('relay-0').terminate()
    for (const pause of [250, 250]) {
      await sleep(pause)
      pod('bff').cutLine()
    }
    const { ended, seconds } = await termination
    const after = await chat(door)
    const chats = [...(await running.stop()), after]
    expect(faults(chats)).toEqual([])
    expectOneCallEach(chats)
    // nginx last: until then what the relays held could be fetched.
    expect(ended.toSorted()).toEqual(['nginx: 0', 'relay-1: 0', 'relay-2: 0'])
    expect(ended.at(-1)).toBe('nginx: 0')
    expect(seconds).toBeLessThan(10)
    await startHost('relay-0')
  })

  it('lose what a host held whose node dies, say so, and call no vendor twice when it is back', async () => {
    // The BFFs prefer it again.
    await eventually('calls go to relay-0', async () => (await chat(door)) && hasServed(pod('relay-0')), 20_000)
    const running = load(door, 8)
    await sleep(700)
    const killedAt = performance.now()
    await pod('relay-0').kill()
    await startHost('relay-0')
    await sleep(500)
    const chats = await running.stop()
    expect(faults(chats.filter(({ startedAt }) => startedAt > killedAt))).toEqual([])
    const lost = faults(chats)
    expect(lost.length).toBeGreaterThan(0)
    for (const one of lost) expect(one).toMatchObject({ error: 'exchange_lost', hasTerminator: false })
    expectOneCallEach(chats)
  })

  it('say nothing secret in their logs', () => {
    for (const one of pods.values()) {
      for (const log of one.logs()) {
        expect(log).not.toBe('')
        for (const secret of [KEY, TOKEN, VENDOR_KEY, 'call:']) expect(log).not.toContain(secret)
      }
    }
  })

  it('finish their calls when a BFF is deleted, and take new ones until the Service knows', async () => {
    const running = load(door, 4)
    await sleep(300)
    const termination = pod('bff').terminate()
    await sleep(5000)
    expect(await chat(door)).toMatchObject({ status: 200, isWhole: true })
    const chats = await running.stop()
    expect(faults(chats)).toEqual([])
    expect(await termination).toMatchObject({ ended: ['bff: 0'] })
  })
})

const VENDOR_KEY = 'sk-vendor-openai-0123456789abcdef'

const hasServed = (host: Pod): boolean =>
  ['relay-1', 'relay-2'].some((name) =>
    host.container(name).log().split('relay_started').at(-1)?.includes('"status":200'),
  )

/** What an operator fills in. */
function fillIn(copy: DeployCopy, { ca }: Certificates): void {
  const read = (path: string): string => readFileSync(join(copy.folder, 'kubernetes', path), 'utf8')
  const settings = 'overlays/overseas/settings.env'
  copy.write(settings, `${read(settings)}OPENAI_UPSTREAM=http://vendor.example.com\nLINK_HEARTBEAT_MS=500\n`)
  copy.write(
    'overlays/overseas/.env',
    `RELAY_TOKENS=bff:${TOKEN}\nOPENAI_API_KEY=${VENDOR_KEY}\nANTHROPIC_API_KEY=\nGEMINI_API_KEY=\n`,
  )
  const own = 'overlays/domestic/settings.env'
  const limits = ['RATE_LIMIT_RPM', 'DAILY_QUOTA', 'KEY_RATE_LIMIT_RPM', 'KEY_DAILY_QUOTA']
  const raised = limits.reduce(
    (text, name) => text.replace(new RegExp(`^${name}=.*`, 'm'), `${name}=100000`),
    read(own),
  )
  copy.write(own, `${raised}NODE_EXTRA_CA_CERTS=/etc/ferry/files/ca.crt\n`)
  copy.write(
    'overlays/domestic/.env',
    `BFF_KEYS=app:${KEY}\nRELAY_TOKEN=${TOKEN}\nREDIS_URL=redis://redis.example.cn:6379/0\nREDIS_CACHE_URL=\nBFF_ADMIN_TOKEN=\nSESSION_SECRET=\n`,
  )
  copy.write('overlays/domestic/ca.crt', ca)
  const kustomization = (overlay: string): string => `overlays/${overlay}/kustomization.yaml`
  copy.write(
    kustomization('domestic'),
    read(kustomization('domestic'))
      .replace('# - name: bff-files', '- name: bff-files')
      .replace('#   files: [ferry.yaml]', '  files: [ca.crt]')
      .replace('components: []', 'components:')
      .replace('# - ../../components/client-certificate', '  - ../../components/client-certificate'),
  )
  copy.write(
    kustomization('overseas'),
    read(kustomization('overseas')).replace('# - ../../components/client-ca', '- ../../components/client-ca'),
  )
}

/** A Secret that others make, such as cert-manager. */
const secret = (name: string, files: Readonly<Record<string, string>>): Manifest => ({
  kind: 'Secret',
  metadata: { name },
  spec: undefined,
  data: Object.fromEntries(Object.entries(files).map(([key, text]) => [key, Buffer.from(text).toString('base64')])),
})
