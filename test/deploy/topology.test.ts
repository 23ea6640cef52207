import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { eventually } from '../testkit/eventually.ts'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { RELAY_TOKEN, relayEnv, type Service, type ServiceEnv, startBff, startRelay } from '../testkit/services.ts'
import { type Chat, chat, type Door, load } from './chats.ts'
import { type Front, overseasEnv, startFront } from './front.ts'
import { type StreamingVendor, startVendor } from './vendor.ts'

// What the compose files start, as processes: two overseas hosts and the domestic one, each nginx before two services.

const KEY = 'bff-key-of-app-0123456789abcdef'
const REDIS_PASSWORD = 'redis-password-0123456789abcdef'

/** Two services of a kind behind one nginx. */
interface Pair {
  readonly services: [Service, Service]
  readonly front: Front
  /** Takes one out of nginx's choice, stops it as its supervisor would, and starts it anew. */
  roll(index: 0 | 1): Promise<void>
  stop(): Promise<void>
}

type Start = (env: ServiceEnv) => Promise<Service>

async function startPair(
  start: Start,
  env: ServiceEnv,
  front: (pair: [Service, Service]) => Promise<Front>,
): Promise<Pair> {
  const services: [Service, Service] = [await start(env), await start(env)]
  const door = await front(services)
  return {
    services,
    front: door,
    async roll(index) {
      const { port, metricsPort } = services[index]
      door.command('drain', String(index + 1))
      services[index].signal('SIGTERM')
      expect((await services[index].exited).code).toBe(0)
      services[index] = await start({ ...env, PORT: String(port), METRICS_PORT: String(metricsPort) })
      door.command('undrain', String(index + 1))
    },
    async stop() {
      await door.stop()
      for (const service of services) await service.stop()
    },
  }
}

const faults = (chats: readonly Chat[]): readonly Chat[] =>
  chats.filter(({ status, isWhole }) => status !== 200 || !isWhole)

describe('two overseas hosts and the domestic one', () => {
  let certificates: Certificates
  let vendor: StreamingVendor
  let redis: RedisServer
  let folder: string
  let primary: Pair
  let backup: Pair
  let domestic: Pair
  let door: Door

  const overseas = (name: string): Promise<Pair> => {
    const env = relayEnv(vendor.origin, {
      TRUSTED_PROXIES: '127.0.0.1/32',
      EXCHANGE_MARKERS_DIR: join(folder, name),
      DRAIN_TIMEOUT_MS: '30000',
      LINK_HEARTBEAT_MS: '500',
    })
    return startPair(startRelay, env, (relays) => startFront('overseas', overseasEnv(certificates, relays)))
  }

  beforeAll(async () => {
    certificates = createCertificates()
    folder = mkdtempSync(join(tmpdir(), 'ferry-topology-'))
    vendor = await startVendor()
    redis = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'])
    await redis.command(`CONFIG SET requirepass ${REDIS_PASSWORD}`)
    primary = await overseas('primary')
    backup = await overseas('backup')
    const env = {
      BFF_KEYS: `app:${KEY}`,
      RELAY_URLS: `https://localhost:${primary.front.httpsPort},https://localhost:${backup.front.httpsPort}`,
      RELAY_TOKEN,
      REDIS_URL: `redis://:${REDIS_PASSWORD}@127.0.0.1:${redis.port}/0`,
      NODE_EXTRA_CA_CERTS: certificates.caFile,
      TRUSTED_PROXIES: '127.0.0.1/32',
      SPOOL_DIR: join(folder, 'spool'),
      LEDGER_FILE: join(folder, 'ledger.jsonl'),
      DRAIN_TIMEOUT_MS: '30000',
      RATE_LIMIT_RPM: '100000',
      DAILY_QUOTA: '100000',
      KEY_RATE_LIMIT_RPM: '100000',
      KEY_DAILY_QUOTA: '100000',
    }
    domestic = await startPair(startBff, env, ([one, two]) =>
      startFront('domestic', {
        FERRY_BFF_1: `127.0.0.1:${one.port}`,
        FERRY_BFF_2: `127.0.0.1:${two.port}`,
        FERRY_METRICS_1: `127.0.0.1:${one.metricsPort}`,
        FERRY_METRICS_2: `127.0.0.1:${two.metricsPort}`,
      }),
    )
    door = { origin: `http://127.0.0.1:${domestic.front.httpPort}`, key: KEY }
  }, 60_000)
  afterAll(async () => {
    for (const one of [domestic, backup, primary]) await one?.stop()
    await redis?.stop()
    await vendor?.stop()
    certificates?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  const ledgerOf = (id: string | null): readonly string[] => {
    const file = join(folder, 'ledger.jsonl')
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
    return lines.filter((line) => id !== null && line.includes(id))
  }
  /** Each was one call at the vendor at most, and has one line in the ledger. */
  const expectOneCallEach = async (chats: readonly Chat[]): Promise<void> => {
    for (const { id } of chats) expect(vendor.calls.get(id) ?? 0).toBeLessThanOrEqual(1)
    await eventually(
      'each has its line in the ledger',
      () => chats.every(({ requestId }) => ledgerOf(requestId).length > 0),
      15_000,
    )
    for (const { requestId } of chats) expect(ledgerOf(requestId)).toHaveLength(1)
  }

  it('streams a chat through all of it', async () => {
    const answer = await chat(door)
    expect(answer).toMatchObject({ status: 200, isWhole: true })
    await expectOneCallEach([answer])
  })

  it('is configured without a warning', () => {
    for (const { front } of [primary, domestic]) {
      expect(front.check.output).not.toMatch(/\[(warn|error|emerg)\]/)
      expect(front.check.status).toBe(0)
    }
  })

  it('loses, when a relay is killed, what it held and says so, and nothing else', async () => {
    const running = load(door, 12)
    await sleep(1000)
    const [victim] = primary.services
    const killedAt = performance.now()
    victim.signal('SIGKILL')
    await victim.exited
    await sleep(500)
    primary.services[0] = await startRelay({
      ...relayEnv(vendor.origin, { TRUSTED_PROXIES: '127.0.0.1/32', EXCHANGE_MARKERS_DIR: join(folder, 'primary') }),
      DRAIN_TIMEOUT_MS: '30000',
      PORT: String(victim.port),
      METRICS_PORT: String(victim.metricsPort),
    })
    await sleep(1500)
    const chats = await running.stop()
    expect(faults(chats.filter(({ startedAt }) => startedAt > killedAt))).toEqual([])
    const lost = faults(chats)
    expect(lost.length).toBeGreaterThan(0)
    for (const one of lost) expect(one).toMatchObject({ error: 'exchange_lost', hasTerminator: false })
    await expectOneCallEach(chats)
  })

  it('rolls all services under load without a failed call or a cut stream', async () => {
    const running = load(door, 8)
    await sleep(300)
    for (const index of [0, 1] as const) await primary.roll(index)
    for (const index of [0, 1] as const) await domestic.roll(index)
    const chats = await running.stop()
    expect(faults(chats)).toEqual([])
    expect(chats.length).toBeGreaterThan(20)
    await expectOneCallEach(chats)
  })

  it('drains what is stopped without a word to nginx', async () => {
    const running = load(door, 8)
    await sleep(500)
    primary.services[0].signal('SIGTERM')
    expect((await primary.services[0].exited).code).toBe(0)
    const chats = await running.stop()
    expect(faults(chats)).toEqual([])
    await expectOneCallEach(chats)
  })

  it('is served by the backup within 3 s when the whole primary is gone', async () => {
    await primary.stop()
    const chats = await Promise.all(Array.from({ length: 8 }, () => chat(door)))
    expect(faults(chats)).toEqual([])
    for (const { startedAt, firstWordAt = Number.POSITIVE_INFINITY } of chats) {
      expect(firstWordAt - startedAt).toBeLessThan(3000)
    }
    await expectOneCallEach(chats)
  })
})
