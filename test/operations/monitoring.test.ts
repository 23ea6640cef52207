import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFerry } from '@llm-ferry/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { startSandbox } from '../testkit/sandbox.ts'
import { RELAY_TOKEN, relayEnv, type Service, startBff, startRelay } from '../testkit/services.ts'
import { MONITORING, metricsOf, readPanelQueries, readRules } from './monitoring-files.ts'
import { type Program, startProgram } from './program.ts'
import { type Robot, type ScrapeFront, startRobot, startScrapeFront } from './scrape-front.ts'

const BFF_KEY = 'bff-key-of-app-0123456789'
const messages = [{ role: 'user' as const, content: 'Say hello' }]
const METRICS_OF_VOICEBOX = 'jvm_threads_live_threads 7\n'

/** Relays, BFF, Redis and nginx, scraped and alerted on by what deploy/monitoring says, only faster. */
describe('Prometheus and Alertmanager of deploy/monitoring, before the running services', () => {
  const stops: (() => unknown)[] = []
  const keep = <T extends { stop(): unknown }>(part: T): T => {
    stops.push(() => part.stop())
    return part
  }
  let folder: string
  let certificates: Certificates
  let front: ScrapeFront
  let relay: Service
  let bff: Service
  let redis: RedisServer
  let robot: Robot
  let prometheus: Program
  let api: string
  let relayIsAway = false
  let relayStart: () => Promise<Service>

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ferry-monitoring-'))
    certificates = createCertificates()
    const sandbox = keep(await startSandbox())
    redis = keep(await startRedis())
    robot = keep(await startRobot({ errcode: 0, code: 0 }))
    const [relayMetrics, deadPort] = [await freePort(), await freePort()]
    const upstreams = { openai: sandbox.url, gemini: sandbox.url, anthropic: `http://127.0.0.1:${deadPort}` }
    const env = {
      METRICS_PORT: String(relayMetrics),
      RELAY_WORKERS: '2',
      EXCHANGE_MARKERS_DIR: join(folder, 'markers'),
    }
    relayStart = () => startRelay(relayEnv(upstreams, env))
    relay = await relayStart()
    stops.push(() => relay.stop())
    bff = keep(
      await startBff({
        BFF_KEYS: `app:${BFF_KEY}`,
        RELAY_URLS: relay.origin,
        RELAY_TOKEN,
        REDIS_URL: redis.url,
        SPOOL_DIR: join(folder, 'spool'),
        RATE_LIMIT_RPM: '8',
        MAX_RETRIES: '0',
      }),
    )
    const pages = () => ({
      '/metrics/relay-1': { port: relayIsAway ? deadPort : relayMetrics, path: '/metrics' },
      '/health': { port: relay.port, path: '/health' },
    })
    front = keep(await startScrapeFront(certificates, pages))
    await startMonitoring()
    await makeTraffic()
    await outageOfRedis()
    await eventually(
      'what there is was scraped',
      async () => (await query('ferry_store_faults_total')).length > 0,
      30_000,
    )
    // Rates need counters that grow from one scrape to the next.
    await makeTraffic()
  }, 120_000)

  afterAll(async () => {
    for (const stop of stops.reverse()) await stop()
    certificates?.remove()
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  async function startMonitoring(): Promise<void> {
    const ports = Object.fromEntries(
      await Promise.all(
        ['prometheus', 'alertmanager', 'notify', 'node', 'redis', 'nginx', 'status', 'blackbox', 'voicebox'].map(
          async (name) => [name, await freePort()] as const,
        ),
      ),
    ) as Record<string, number>
    const at = (name: string): string => `127.0.0.1:${ports[name]}`
    const run = (command: string, args: string[], env: NodeJS.ProcessEnv = {}): Program =>
      keep(startProgram(command, args, env))

    run('prometheus-node-exporter', [`--web.listen-address=${at('node')}`])
    run('prometheus-redis-exporter', [`-web.listen-address=${at('redis')}`, `-redis.addr=${redis.url}`])
    startStatusNginx(at('status'), run)
    run('prometheus-nginx-exporter', [
      `-web.listen-address=${at('nginx')}`,
      `-nginx.scrape-uri=http://${at('status')}/stub_status`,
    ])
    const trust = { SSL_CERT_FILE: certificates.caFile }
    const blackbox = `--config.file=${MONITORING}/blackbox/blackbox.yml`
    run('prometheus-blackbox-exporter', [blackbox, `--web.listen-address=${at('blackbox')}`], trust)
    run(process.execPath, [join(MONITORING, 'notify/notify.mjs')], {
      PORT: String(ports.notify),
      DINGTALK_WEBHOOK_URL: robot.url,
      FEISHU_WEBHOOK_URL: robot.url,
      WECOM_WEBHOOK_URL: robot.url,
    })
    keep(startVoiceBoxPage(ports.voicebox ?? 0))

    const alertmanager = faster(readFileSync(join(MONITORING, 'alertmanager/alertmanager.yml'), 'utf8'))
    writeFileSync(join(folder, 'alertmanager.yml'), alertmanager.replaceAll('127.0.0.1:9094', at('notify')))
    run('prometheus-alertmanager', [
      `--config.file=${folder}/alertmanager.yml`,
      `--storage.path=${folder}/alertmanager`,
      `--web.listen-address=${at('alertmanager')}`,
      '--cluster.listen-address=',
    ])

    writePrometheus({
      relays: {
        target: `localhost:${front.port}`,
        labels: { host: 'primary', relay: 'relay-1', __metrics_path__: '/metrics/relay-1' },
      },
      bff: { target: `127.0.0.1:${bff.metricsPort}` },
      voicebox: { target: at('voicebox') },
      redis: { target: at('redis') },
      nginx: { target: at('nginx') },
      nodes: { target: at('node'), labels: { host: 'primary', side: 'overseas' } },
      probes: { target: `https://localhost:${front.port}/health`, labels: { __exporter__: at('blackbox') } },
      alertmanager: { target: at('alertmanager') },
    })
    api = `http://${at('prometheus')}/api/v1`
    prometheus = run(
      'prometheus',
      [
        `--config.file=${folder}/prometheus/prometheus.yml`,
        `--storage.tsdb.path=${folder}/tsdb`,
        `--web.listen-address=${at('prometheus')}`,
      ],
      trust,
    )
    await eventually('Prometheus serves', () => ask('status/config').then((a) => a !== undefined), 20_000)
  }

  /** deploy's own files, with the test's targets, and seconds in place of minutes. */
  function writePrometheus(targets: Record<string, { target: string; labels?: Record<string, string> }>): void {
    const copy = join(folder, 'prometheus')
    cpSync(join(MONITORING, 'prometheus'), copy, { recursive: true })
    mkdirSync(join(copy, 'secrets'))
    cpSync(certificates.certFile, join(copy, 'secrets/metrics-client.crt'))
    cpSync(certificates.keyFile, join(copy, 'secrets/metrics-client.key'))
    for (const file of ['prometheus.yml', ...readdirSync(join(copy, 'rules')).map((name) => `rules/${name}`)]) {
      const path = join(copy, file)
      writeFileSync(path, faster(readFileSync(path, 'utf8')))
    }
    for (const [name, { target, labels }] of Object.entries(targets)) {
      // JSON is YAML.
      writeFileSync(join(copy, `targets/${name}.yml`), JSON.stringify([{ targets: [target], labels }]))
    }
  }

  function startStatusNginx(listen: string, run: (command: string, args: string[]) => Program): void {
    const conf = `pid ${folder}/nginx.pid; error_log ${folder}/nginx.log; events {}
      http { access_log off; client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
      uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
      server { listen ${listen}; location = /stub_status { stub_status; } } }`
    writeFileSync(join(folder, 'nginx.conf'), conf)
    run('nginx', ['-p', folder, '-c', `${folder}/nginx.conf`, '-e', `${folder}/nginx.log`, '-g', 'daemon off;'])
  }

  /** Chats that go well, of both kinds and of two vendors; calls to a vendor that is down; one call too many. */
  async function makeTraffic(): Promise<void> {
    const ferry = createFerry({ baseURL: bff.origin, apiKey: BFF_KEY, maxRetries: 0 })
    for (let round = 0; round < 3; round++) {
      for (const model of ['openai/gpt-5.4-mini', 'gemini/gemini-3.5-flash']) {
        await ferry.chat({ model, messages, user: `user-${round}` })
        const stream = ferry.chat.stream({ model, messages, user: `user-${round}` })
        await stream.text()
      }
    }
    for (let call = 0; call < 12; call++) {
      await ferry.chat({ model: 'anthropic/claude-haiku-4-5', messages, user: `u${call % 3}` }).catch(() => {})
    }
    for (let call = 0; call < 10; call++) {
      await ferry.chat({ model: 'openai/gpt-5.4-mini', messages, user: 'eager' }).catch(() => {})
    }
  }

  async function outageOfRedis(): Promise<void> {
    const ferry = createFerry({ baseURL: bff.origin, apiKey: BFF_KEY, maxRetries: 0 })
    redis.freeze()
    await ferry.chat({ model: 'openai/gpt-5.4-mini', messages, user: 'unlucky' })
    redis.thaw()
  }

  // biome-ignore lint/suspicious/noExplicitAny: Prometheus's answers, whose shape each query knows.
  async function ask(path: string): Promise<any> {
    const answer = await fetch(`${api}/${path}`).catch(() => undefined)
    // Not ready yet.
    if (answer?.status === 503) return undefined
    const body = (await answer?.json()) as { status: string; data: unknown; error?: string } | undefined
    if (body?.status === 'error') throw new Error(body.error)
    return body?.data
  }
  const query = async (expr: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> =>
    (await ask(`query?query=${encodeURIComponent(expr)}`))?.result ?? []

  it('scrapes every job, the relay through TLS with a client certificate', async () => {
    await eventually('all targets are up', async () => (await query('up == 1')).length === 7, 20_000)
    expect((await query('up{job="llm-proxy"}'))[0]?.metric).toMatchObject({ host: 'primary', relay: 'relay-1' })
    expect(front.turnedAway()).toBe(0)
    await fetch(`http://127.0.0.1:${front.port}/`).catch(() => {})
    expect((await query('probe_success'))[0]?.value[1]).toBe('1')
  })

  const named = [
    ...readRules().map(({ alert, record, expr }) => [alert ?? record ?? '', expr] as const),
    ...readPanelQueries().map(({ where, expr }) => [where, expr] as const),
  ]
  const recorded = new Set(readRules().flatMap(({ record }) => record ?? []))

  it('finds in the scrapes every metric that a rule or a panel names', async () => {
    const missing = async (): Promise<string[]> => {
      const known = new Set<string>(await ask('label/__name__/values'))
      return named.flatMap(([where, expr]) =>
        metricsOf(expr)
          .filter((name) => !known.has(name) && !recorded.has(name))
          .map((name) => `${where}: ${name}`),
      )
    }
    await eventually('all are there', async () => (await missing()).length === 0, 15_000).catch(() => {})
    expect(await missing()).toEqual([])
  })

  it('answers every query of every dashboard with data', async () => {
    const empty = async (): Promise<string[]> => {
      const results = await Promise.all(readPanelQueries().map(async (q) => ({ ...q, lines: await query(q.expr) })))
      return results.filter(({ lines }) => lines.length === 0).map(({ where, expr }) => `${where}: ${expr}`)
    }
    await eventually('all have data', async () => (await empty()).length === 0, 20_000).catch(() => {})
    expect(await empty()).toEqual([])
  })

  it('fires ServiceDown through Alertmanager to the robots when a relay ends, and clears it when it is back', async () => {
    const texts = (): string[] => robot.received.map(({ body }) => JSON.stringify(body))
    expect(texts().filter((text) => text.includes('ServiceDown'))).toEqual([])
    const endedAt = performance.now()
    relayIsAway = true
    await relay.stop()
    const fired = (): string[] => texts().filter((text) => text.includes('critical: ServiceDown'))
    await eventually('each of three robots was told', () => fired().length >= 3, 40_000)
    expect(fired()[0]).toContain('Relay relay-1 on primary')
    console.info(
      `ServiceDown reached the robots ${((performance.now() - endedAt) / 1000).toFixed(1)} s after the relay ended`,
    )
    relay = await relayStart()
    relayIsAway = false
    await eventually(
      'they hear that it is over',
      () => texts().some((text) => text.includes('resolved: ServiceDown')),
      40_000,
    )
    expect(await query('ALERTS{alertname="ServiceDown",alertstate="firing"}')).toEqual([])
    expect(prometheus.log()).not.toMatch(/level=error/)
  }, 120_000)
})

/** The same file with an interval of a second, and seconds for each minute that an alert waits. */
function faster(text: string): string {
  return text
    .replace(/(scrape_interval|evaluation_interval): 15s/g, '$1: 1s')
    .replace(/scrape_timeout: 10s/g, 'scrape_timeout: 1s')
    .replace(/for: (\d+)m/g, 'for: $1s')
    .replace(/group_wait: 15s/, 'group_wait: 1s')
    .replace(/group_interval: 2m/, 'group_interval: 2s')
}

/** What Spring's actuator would serve; VoiceBox itself is not ours to start here. */
function startVoiceBoxPage(port: number): Program {
  const code = `require('node:http').createServer((q, s) => s.setHeader('content-type', 'text/plain').end(${JSON.stringify(METRICS_OF_VOICEBOX)})).listen(${port}, '127.0.0.1')`
  return startProgram(process.execPath, ['-e', code])
}
