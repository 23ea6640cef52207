import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { listen } from '@llm-ferry/kit'
import { parse } from 'yaml'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import { MONITORING } from './monitoring-files.ts'
import { type Program, runProgram, startProgram } from './program.ts'
import { type Robot, startRobot } from './robot.ts'
import { REDIS_PASSWORD, type Stop, stopAll, type WatchedFerry } from './watched-ferry.ts'

/** One line of an answer to a query. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [time: number, value: string]
}

/** Prometheus, Alertmanager, notify and all exporters of deploy/monitoring, as processes. */
export interface MonitoringStack {
  query(expr: string): Promise<readonly Sample[]>
  metricNames(): Promise<ReadonlySet<string>>
  /** Why targets are not up, one line each. */
  faults(): Promise<readonly string[]>
  readonly robots: Readonly<Record<'dingtalk' | 'feishu' | 'wecom', Robot>>
  readonly prometheus: Program
  stop(): Promise<void>
}

/** Debian's name of each program, by the service of compose.yaml that runs it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'node-exporter': 'prometheus-node-exporter',
  'redis-exporter': 'prometheus-redis-exporter',
  'nginx-exporter': 'prometheus-nginx-exporter',
  'nginx-exporter-primary': 'prometheus-nginx-exporter',
  'blackbox-exporter': 'prometheus-blackbox-exporter',
  alertmanager: 'prometheus-alertmanager',
  prometheus: 'prometheus',
}
/** The ports that compose.yaml, alertmanager.yml and up.sh name; each test has others. */
const PORTS = [9093, 9094, 9100, 9113, 9114, 9115, 9121, 9190] as const

/**
 * Writes the files with up.sh and starts what compose.yaml starts with the very arguments that stand there; only ports and
 * folders differ, and an interval is a second in place of 15.
 */
export async function startMonitoring(ferry: WatchedFerry): Promise<MonitoringStack> {
  for (let attempt = 1; ; attempt++) {
    const stops: Stop[] = []
    const stack = await launch(ferry, join(ferry.folder, `attempt-${attempt}`), stops).catch(async (error: unknown) => {
      await stopAll(stops)
      throw error
    })
    if (stack !== undefined) return stack
    await stopAll(stops)
    if (attempt === 3) throw new Error('another process took a port three times')
  }
}

/** @returns nothing when another process took a port that was free a moment ago. */
async function launch(ferry: WatchedFerry, folder: string, stops: Stop[]): Promise<MonitoringStack | undefined> {
  const keep = <T extends { stop(): unknown }>(part: T): T => {
    stops.push(() => part.stop())
    return part
  }
  const accepting = (): Promise<Robot> => startRobot({ errcode: 0, code: 0 }).then(keep)
  const robots = { dingtalk: await accepting(), feishu: await accepting(), wecom: await accepting() }
  const voicebox = keep(await startVoiceBoxPage())
  const ports = new Map<string, number>()
  for (const port of PORTS) ports.set(String(port), await freePort())
  const moved = (text: string): string =>
    text.replace(/127\.0\.0\.1:(\d+)/g, (all, port) => (ports.has(port) ? `127.0.0.1:${ports.get(port)}` : all))

  const copy = join(folder, 'deploy/monitoring')
  cpSync(join(MONITORING, '..'), join(folder, 'deploy'), { recursive: true })
  const env = {
    OVERSEAS_PRIMARY: `localhost:${ferry.overseas.httpsPort}`,
    METRICS_CLIENT_CERT: ferry.monitor.certFile,
    METRICS_CLIENT_KEY: ferry.monitor.keyFile,
    DINGTALK_WEBHOOK_URL: robots.dingtalk.url,
    DINGTALK_SECRET: 'robot-secret-0123456789',
    FEISHU_WEBHOOK_URL: robots.feishu.url,
    FEISHU_SECRET: 'robot-secret-0123456789',
    WECOM_WEBHOOK_URL: robots.wecom.url,
    REDIS_PASSWORD,
    BFF_ADDRESS: `127.0.0.1:${ferry.domestic.httpPort}`,
    REDIS_ADDRESS: `127.0.0.1:${ferry.redis.port}`,
    REDIS_CACHE_ADDRESS: '-',
    VOICEBOX_ADDRESS: `127.0.0.1:${voicebox.port}`,
  }
  const lines = Object.entries(env).map(([name, value]) => `${name}=${value}\n`)
  writeFileSync(join(copy, '.env'), lines.join(''))
  const { status, output } = runProgram(join(copy, 'up.sh'), ['files'])
  if (status !== 0) throw new Error(output)
  const files = ['alertmanager/alertmanager.yml', 'prometheus/prometheus.yml'].concat(
    ...['rules', 'targets'].map((folder) =>
      readdirSync(join(copy, 'prometheus', folder)).map((name) => `prometheus/${folder}/${name}`),
    ),
  )
  for (const file of files) writeFileSync(join(copy, file), moved(faster(readFileSync(join(copy, file), 'utf8'))))
  for (const place of [join(copy, 'textfiles'), textfilesOverseas(ferry)]) backUp(copy, place)
  // In the containers it is mounted there.
  mkdirSync(join(copy, 'prometheus/secrets'), { recursive: true })
  cpSync(join(copy, 'secrets/scrape'), join(copy, 'prometheus/secrets'), { recursive: true })

  const folders: readonly (readonly [string, string])[] = [
    ['/etc/prometheus', `${copy}/prometheus`],
    ['/etc/alertmanager', `${copy}/alertmanager`],
    ['/etc/blackbox', `${copy}/blackbox`],
    ['/etc/ferry/secrets', `${copy}/secrets/scrape`],
    ['/run/secrets', `${copy}/secrets/redis`],
    ['=/prometheus', `=${copy}/tsdb`],
    ['=/alertmanager', `=${copy}/silences`],
    ['=/host/var/lib/prometheus/node-exporter', `=${copy}/textfiles`],
    ['=/host/proc', '=/proc'],
    ['=/host/sys', '=/sys'],
    ['=/host', '=/'],
  ]
  const filled = (argument: string): string => {
    const text = argument.replace(
      /\$\{(\w+):[-?]([^}]*)\}/g,
      (_, name, other) => env[name as keyof typeof env] ?? other,
    )
    return folders.reduce((all, [from, to]) => all.replace(from, to), moved(text))
  }
  const { services } = parse(readFileSync(join(copy, 'compose.yaml'), 'utf8'), { merge: true })
  const programs: Program[] = []
  const start = (...args: Parameters<typeof startProgram>): Program => {
    const program = keep(startProgram(...args))
    programs.push(program)
    return program
  }
  const run = (service: string): Program =>
    start(PROGRAMS[service] ?? '', services[service].command.map(filled), { SSL_CERT_FILE: ferry.server.caFile })
  for (const service of Object.keys(PROGRAMS)) if (service !== 'prometheus') run(service)
  start('prometheus-node-exporter', overseasNodeExporter(ferry, await ferry.takeNodePort()))
  const secrets = Object.entries(services.notify.environment as Record<string, string>).map(
    ([name, file]) => [name, file.replace('/run/secrets', `${copy}/secrets/notify`)] as const,
  )
  const notify = { PORT: String(ports.get('9094')), ...Object.fromEntries(secrets) }
  start(process.execPath, [join(copy, 'notify/notify.mjs')], notify)
  const prometheus = run('prometheus')

  // biome-ignore lint/suspicious/noExplicitAny: Prometheus's answers, whose shape each query knows.
  const ask = async (path: string): Promise<any> => {
    const answer = await fetch(`http://127.0.0.1:${ports.get('9190')}/api/v1/${path}`).catch(() => undefined)
    // Not ready yet, or somebody else's port.
    if (answer?.headers.get('content-type') !== 'application/json') return undefined
    const body = (await answer?.json()) as { status: string; data: unknown; error?: string } | undefined
    if (body?.status === 'error') throw new Error(body.error)
    return body?.data
  }
  const isTaken = (): boolean => programs.some(({ log }) => /address already in use|EADDRINUSE/i.test(log()))
  const serves = async (): Promise<boolean> => isTaken() || (await ask('status/config')) !== undefined
  await eventually('Prometheus serves', serves, 20_000)
  if (isTaken()) return undefined
  return {
    query: async (expr) => (await ask(`query?query=${encodeURIComponent(expr)}`))?.result ?? [],
    metricNames: async () => new Set(await ask('label/__name__/values')),
    faults: async () => {
      const { activeTargets } = (await ask('targets?state=active')) as {
        activeTargets: { health: string; scrapeUrl: string; lastError: string }[]
      }
      return activeTargets
        .filter(({ health }) => health !== 'up')
        .map(({ scrapeUrl, lastError }) => `${scrapeUrl}: ${lastError}`)
    },
    robots,
    prometheus,
    stop: () => stopAll(stops),
  }
}

/** Where nginx's figures are overseas there also is what the host tells of itself. */
const textfilesOverseas = ({ overseas }: WatchedFerry): string => join(overseas.folder, 'textfile-host')

/** A backup of something small, told to a node exporter. */
function backUp(copy: string, folder: string): void {
  const key = join(copy, 'backup.key')
  writeFileSync(key, 'passphrase-of-the-backup-0123')
  const { status, output } = runProgram(join(copy, '../scripts/backup'), [], {
    env: {
      FERRY_BACKUP_CONF: '/nowhere',
      BACKUP_DIR: join(copy, 'backups'),
      BACKUP_KEY_FILE: key,
      BACKUP_PATHS: join(copy, '.env'),
      BACKUP_METRICS_DIR: folder,
    },
  })
  if (status !== 0) throw new Error(output)
}

/** What the image of deploy/overseas runs, without its mounts. */
function overseasNodeExporter({ overseas }: WatchedFerry, port: number): readonly string[] {
  const dockerfile = readFileSync(join(MONITORING, '../Dockerfile'), 'utf8')
  const [, text = ''] = /ENTRYPOINT \["prometheus-node-exporter", ([^\]]*)\]/.exec(dockerfile) ?? []
  const flags = [...text.matchAll(/"([^"]*)"/g)].map(([, flag = '']) => flag)
  return [...flags, `--web.listen-address=127.0.0.1:${port}`].map((flag) =>
    flag
      .replace('/var/lib/*/textfile', join(overseas.folder, 'textfile*'))
      .replace('=/host/', '=/')
      .replace(/=\/host$/, '=/'),
  )
}

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
async function startVoiceBoxPage(): Promise<{ readonly port: number; stop(): void }> {
  const server = createServer((_, response) =>
    response.setHeader('content-type', 'text/plain').end('jvm_threads_live_threads 7\n'),
  )
  const port = await listen(server, 0, '127.0.0.1')
  return {
    port,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
