import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFerry, type Ferry } from '@llm-ferry/sdk'
import { type Front, overseasEnv, startFront } from '../deploy/front.ts'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { freePort } from '../testkit/ports.ts'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { startSandbox } from '../testkit/sandbox.ts'
import { RELAY_TOKEN, relayEnv, type Service, startBff, startRelay } from '../testkit/services.ts'

const BFF_KEY = 'bff-key-of-app-0123456789'
export const REDIS_PASSWORD = 'redis-password-0123456789'
const messages = [{ role: 'user' as const, content: 'Say hello' }]

/** What deploy/overseas and deploy/domestic start, as processes: nginx before two relays, nginx before two BFFs, Redis. */
export interface WatchedFerry {
  readonly folder: string
  readonly overseas: Front
  readonly domestic: Front
  readonly redis: RedisServer
  /** Of nginx overseas. */
  readonly server: Certificates
  /** Of those who may see metrics. */
  readonly callers: Certificates
  /** Port that the node exporter overseas must listen on. */
  readonly nodePort: number
  stopRelay(): Promise<void>
  startRelay(): Promise<void>
  /** Chats that go well, of both kinds and of two vendors; calls to a vendor that is down; some too many. */
  traffic(rounds: number): Promise<void>
  /** Redis hangs for one call. */
  outageOfRedis(): Promise<void>
  stop(): Promise<void>
}

export async function startWatchedFerry(): Promise<WatchedFerry> {
  const stops: (() => unknown)[] = []
  const keep = <T extends { stop(): unknown }>(part: T): T => {
    stops.push(() => part.stop())
    return part
  }
  const folder = mkdtempSync(join(tmpdir(), 'ferry-watched-'))
  const [server, callers] = [createCertificates(), createCertificates()]
  stops.push(() => {
    server.remove()
    callers.remove()
    rmSync(folder, { recursive: true, force: true })
  })
  const [sandbox, redis] = [keep(await startSandbox()), keep(await startRedis())]
  await redis.command(`CONFIG SET requirepass ${REDIS_PASSWORD}`)

  const upstreams = { openai: sandbox.url, gemini: sandbox.url, anthropic: `http://127.0.0.1:${await freePort()}` }
  const relayEnvironment = relayEnv(upstreams, {
    EXCHANGE_MARKERS_DIR: join(folder, 'markers'),
    TRUSTED_PROXIES: '127.0.0.1/32',
  })
  const one = keep(await startRelay({ ...relayEnvironment, RELAY_WORKERS: '2' }))
  let two = await startRelay(relayEnvironment)
  stops.push(() => two.stop())
  const nodePort = await freePort()
  const overseas = keep(
    await startFront('overseas', {
      ...overseasEnv(server, [one, two]),
      FERRY_CLIENT_CA: callers.caFile,
      FERRY_NODE_METRICS: `127.0.0.1:${nodePort}`,
    }),
  )

  const bffs: Service[] = []
  for (const name of ['one', 'two']) {
    const bff = await startBff({
      BFF_KEYS: `app:${BFF_KEY}`,
      RELAY_URLS: `https://localhost:${overseas.httpsPort}`,
      RELAY_TOKEN,
      REDIS_URL: `redis://:${REDIS_PASSWORD}@127.0.0.1:${redis.port}/0`,
      NODE_EXTRA_CA_CERTS: server.caFile,
      TRUSTED_PROXIES: '127.0.0.1/32',
      SPOOL_DIR: join(folder, `spool-${name}`),
      RATE_LIMIT_RPM: '8',
      MAX_RETRIES: '0',
    })
    bffs.push(keep(bff))
  }
  const [first, second] = bffs as [Service, Service]
  const domestic = keep(
    await startFront('domestic', {
      FERRY_BFF_1: `127.0.0.1:${first.port}`,
      FERRY_BFF_2: `127.0.0.1:${second.port}`,
      FERRY_METRICS_1: `127.0.0.1:${first.metricsPort}`,
      FERRY_METRICS_2: `127.0.0.1:${second.metricsPort}`,
    }),
  )
  const ferry = createFerry({ baseURL: `http://127.0.0.1:${domestic.httpPort}`, apiKey: BFF_KEY, maxRetries: 0 })
  let rounds = 0
  return {
    folder,
    overseas,
    domestic,
    redis,
    server,
    callers,
    nodePort,
    stopRelay: () => two.stop(),
    startRelay: async () => {
      const [PORT, METRICS_PORT] = [String(two.port), String(two.metricsPort)]
      two = await startRelay({ ...relayEnvironment, PORT, METRICS_PORT })
    },
    traffic: async (count) => {
      for (let i = 0; i < count; i++) await makeRound(ferry, `user-${rounds++}`)
    },
    outageOfRedis: async () => {
      redis.freeze()
      await ferry.chat({ model: 'openai/gpt-5.4-mini', messages, user: 'unlucky' })
      redis.thaw()
    },
    stop: async () => {
      for (const stop of stops.reverse()) await stop()
    },
  }
}

async function makeRound(ferry: Ferry, user: string): Promise<void> {
  for (const model of ['openai/gpt-5.4-mini', 'gemini/gemini-3.5-flash']) {
    await ferry.chat({ model, messages, user })
    await ferry.chat.stream({ model, messages, user }).text()
  }
  const mayFail = (model: string, users: readonly string[]): Promise<unknown> =>
    Promise.all(users.map((one) => ferry.chat({ model, messages, user: one }).catch(() => {})))
  // Enough for each BFF to give the model a rest, and more in a minute than a user may.
  await mayFail(
    'anthropic/claude-haiku-4-5',
    Array.from({ length: 24 }, (_, i) => `${user}-${i}`),
  )
  await mayFail('openai/gpt-5.4-mini', Array<string>(8).fill(user))
}
