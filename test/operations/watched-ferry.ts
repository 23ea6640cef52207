import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listen } from '@llm-ferry/kit'
import { createFerry, type Ferry } from '@llm-ferry/sdk'
import { type Front, overseasEnv, startFront } from '../deploy/front.ts'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { type ClientPair, createClientAuthority } from '../testkit/client-certs.ts'
import { freePair, freePort } from '../testkit/ports.ts'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { startSandbox } from '../testkit/sandbox.ts'
import { RELAY_TOKEN, relayEnv, type Service, startBff, startRelay } from '../testkit/services.ts'

const BFF_KEY = 'bff-key-of-app-0123456789'
export const REDIS_PASSWORD = 'redis-password-0123456789'
const messages = [{ role: 'user' as const, content: 'Say hello' }]

export type Stop = () => unknown

/** The last first. */
export async function stopAll(stops: Stop[]): Promise<void> {
  for (const stop of stops.splice(0).reverse()) await stop()
}

/** What deploy/overseas and deploy/domestic start, as processes: nginx before two relays, nginx before two BFFs, Redis. */
export interface WatchedFerry {
  readonly folder: string
  readonly overseas: Front
  readonly domestic: Front
  readonly redis: RedisServer
  /** Of nginx overseas. */
  readonly server: Certificates
  /** What Prometheus shows nginx overseas. */
  readonly monitor: ClientPair
  /** Port that the node exporter overseas must listen on; it is held until then. */
  takeNodePort(): Promise<number>
  /** What a relay with workers and a BFF show at /metrics. */
  pages(): Promise<Readonly<Record<'relay' | 'bff', string>>>
  stopRelay(): Promise<void>
  startRelay(): Promise<void>
  /** Chats that go well, of both kinds and of two vendors; with faults also calls to a vendor that is down, and too many. */
  traffic(options?: { readonly faults: boolean }): Promise<void>
  /** Redis hangs for one call. */
  outageOfRedis(): Promise<void>
  stop(): Promise<void>
}

export async function startWatchedFerry(): Promise<WatchedFerry> {
  const stops: Stop[] = []
  return start(stops).catch(async (error: unknown) => {
    await stopAll(stops)
    throw error
  })
}

async function start(stops: Stop[]): Promise<WatchedFerry> {
  const keep = <T extends { stop(): unknown }>(part: T): T => {
    stops.push(() => part.stop())
    return part
  }
  const folder = mkdtempSync(join(tmpdir(), 'ferry-watched-'))
  const [server, callers] = [createCertificates(), createClientAuthority()]
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
  const one = keep(await startRelay({ ...relayEnvironment, RELAY_WORKERS: '2', PORT: String(await freePair()) }))
  let two = await startRelay(relayEnvironment)
  const portsOfTwo = { PORT: String(two.port), METRICS_PORT: String(two.metricsPort) }
  stops.push(() => two.stop())
  const placeholder = createServer()
  const nodePort = await listen(placeholder, 0, '127.0.0.1')
  stops.push(() => placeholder.close())
  const overseas = keep(
    await startFront('overseas', {
      ...overseasEnv(server, [one, two]),
      FERRY_CLIENT_CA: callers.caFile,
      FERRY_CLIENT_CERT: 'all',
      FERRY_NODE_METRICS: `127.0.0.1:${nodePort}`,
    }),
  )

  const bffs: Service[] = []
  const { certFile, keyFile } = callers.issue('bff', 'bff')
  for (const name of ['one', 'two']) {
    const bff = await startBff({
      BFF_KEYS: `app:${BFF_KEY}`,
      RELAY_URLS: `https://localhost:${overseas.httpsPort}`,
      RELAY_TOKEN,
      RELAY_CLIENT_CERT_FILE: certFile,
      RELAY_CLIENT_KEY_FILE: keyFile,
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
    monitor: callers.issue('monitoring', 'prometheus'),
    takeNodePort: async () => {
      if (placeholder.listening) await new Promise((resolve) => placeholder.close(resolve))
      return nodePort
    },
    pages: async () => {
      const page = async ({ metricsPort }: Service): Promise<string> =>
        (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
      return { relay: await page(one), bff: await page(first) }
    },
    stopRelay: () => two.stop(),
    startRelay: async () => {
      two = await startRelay({ ...relayEnvironment, ...portsOfTwo })
    },
    traffic: ({ faults } = { faults: true }) => makeRound(ferry, `user-${rounds++}`, faults),
    outageOfRedis: async () => {
      redis.freeze()
      await ferry.chat({ model: 'openai/gpt-5.4-mini', messages, user: 'unlucky' })
      redis.thaw()
    },
    stop: () => stopAll(stops),
  }
}

async function makeRound(ferry: Ferry, user: string, hasFaults: boolean): Promise<void> {
  for (const model of ['openai/gpt-5.4-mini', 'gemini/gemini-3.5-flash']) {
    await ferry.chat({ model, messages, user })
    await ferry.chat.stream({ model, messages, user }).text()
  }
  // One whose price nobody knows.
  await ferry.chat({ model: 'openai/gpt-of-the-sandbox', messages, user })
  if (!hasFaults) return
  const mayFail = (model: string, users: readonly string[]): Promise<unknown> =>
    Promise.all(users.map((one) => ferry.chat({ model, messages, user: one }).catch(() => {})))
  // Enough for each BFF to give the model a rest, and more in a minute than a user may.
  await mayFail(
    'anthropic/claude-haiku-4-5',
    Array.from({ length: 24 }, (_, i) => `${user}-${i}`),
  )
  await mayFail('openai/gpt-5.4-mini', Array<string>(8).fill(user))
}
