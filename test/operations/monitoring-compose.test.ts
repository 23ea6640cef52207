import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { MONITORING } from './monitoring-files.ts'
import { type Finished, runProgram } from './program.ts'

const DEPLOY = join(MONITORING, '..')
const read = (path: string): string => readFileSync(join(DEPLOY, path), 'utf8')
/** With each ${NAME:-default} as its default, but for what the example says. */
const compose = (side: string) => {
  const example = Object.fromEntries(
    [...read(`${side}/.env.example`).matchAll(/^(\w+)=(.+)$/gm)].map(([, k, v]) => [k, v]),
  )
  const text = read(`${side}/compose.yaml`).replace(
    /\$\{(\w+):[-?]([^}]*)\}/g,
    (_, name, other) => example[name] ?? other,
  )
  return parse(text, { merge: true })
}
const monitoring = compose('monitoring')
const domestic = compose('domestic')
const overseas = compose('overseas')
const services = Object.entries<Record<string, never>>(monitoring.services)
const targetsOf = (name: string): { targets: string[]; labels?: Record<string, string> }[] =>
  parse(read(`monitoring/prometheus/targets/${name}.yml`))

describe('compose.yaml of monitoring', () => {
  it.each(services)('%s is hardened, bounded, rotates its log and publishes nothing', (_, service) => {
    expect(service).toMatchObject({
      restart: 'unless-stopped',
      network_mode: 'host',
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      mem_limit: expect.stringMatching(/^\d+[mg]$/),
      cpus: expect.any(Number),
      logging: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } },
    })
    expect(service).not.toHaveProperty('ports')
    expect(service).not.toHaveProperty('privileged')
  })

  it.each(services)(
    '%s listens on loopback alone',
    (name, service: { command?: string[]; environment?: Record<string, string> }) => {
      const { command = [], environment = {} } = service
      if (name === 'grafana') expect(environment.GF_SERVER_HTTP_ADDR).toBe('127.0.0.1')
      else if (name === 'notify') expect(read('monitoring/notify/notify.mjs')).toContain("{ HOST = '127.0.0.1',")
      else expect(command.filter((flag) => /web\.listen-address=127\.0\.0\.1:\d+$/.test(flag))).toHaveLength(1)
      expect(command.join(' ')).not.toMatch(/0\.0\.0\.0|listen-address=:/)
      if (name === 'alertmanager') expect(command).toContain('--cluster.listen-address=')
    },
  )

  it.each(services)('%s mounts nothing where Docker could not make the place: in a read-only folder', (_, service) => {
    const { volumes = [] } = service as { volumes?: string[] }
    const mounts = volumes.map((volume) => volume.split(':') as [from: string, to: string, options?: string])
    for (const [, inner] of mounts)
      for (const [from, outer, options] of mounts) {
        if (!options?.startsWith('ro') || !inner.startsWith(`${outer}/`)) continue
        const place = join(from, inner.slice(outer.length)).replace('./', '')
        expect(read('monitoring/up.sh')).toContain(`mkdir -p ${place}\n`)
      }
  })

  it('keeps thirty days, and 10 GB at most', () => {
    const { command } = monitoring.services.prometheus
    expect(command).toContain('--storage.tsdb.retention.time=30d')
    expect(command).toContain('--storage.tsdb.retention.size=10GB')
  })

  it('has images with a fixed tag, and no two on one port', () => {
    for (const [name, { image }] of services)
      expect(image, name).toMatch(/^docker\.io\/[a-z0-9_/-]+:v?\d+[\d.]*\d(-\w+-\w+)?$/)
    const ports = services.flatMap(
      ([, { command }]) => /listen-address=127\.0\.0\.1:(\d+)/.exec(String(command))?.[1] ?? [],
    )
    expect(new Set(ports).size).toBe(ports.length)
  })

  it('has no default password for Grafana: Compose does not start it without the file that up.sh makes', () => {
    const { environment, secrets } = monitoring.services.grafana
    expect(environment).not.toHaveProperty('GF_SECURITY_ADMIN_PASSWORD')
    expect(environment.GF_SECURITY_ADMIN_PASSWORD__FILE).toBe('/run/secrets/grafana_admin_password')
    expect(secrets).toEqual(['grafana_admin_password'])
    expect(monitoring.secrets.grafana_admin_password.file).toBe('secrets/grafana/admin_password')
    expect(existsSync(join(MONITORING, 'secrets'))).toBe(false)
    expect(environment).toMatchObject({ GF_AUTH_ANONYMOUS_ENABLED: 'false', GF_USERS_ALLOW_SIGN_UP: 'false' })
  })

  it('provisions the data source that the dashboards name, and their folder', () => {
    const { datasources } = parse(read('monitoring/grafana/provisioning/datasources/prometheus.yml'))
    const { providers } = parse(read('monitoring/grafana/provisioning/dashboards/ferry.yml'))
    expect(datasources).toMatchObject([{ uid: 'ferry-prometheus', type: 'prometheus', url: '${PROMETHEUS_URL}' }])
    const { environment, volumes } = monitoring.services.grafana
    const { command } = monitoring.services.prometheus
    expect(command).toContain(`--web.listen-address=${new URL(environment.PROMETHEUS_URL).host}`)
    expect(volumes).toContain(`./grafana/dashboards:${providers[0].options.path}:ro`)
    const uids = readdirSync(join(MONITORING, 'grafana/dashboards')).map((file) => {
      const dashboard = JSON.parse(read(`monitoring/grafana/dashboards/${file}`))
      const named = JSON.stringify(dashboard).matchAll(/"datasource":\{"type":"prometheus","uid":"([^"]*)"\}/g)
      for (const [, uid] of named) expect(uid, file).toBe('ferry-prometheus')
      return dashboard.uid
    })
    expect(uids.toSorted()).toEqual(['ferry-border', 'ferry-host', 'ferry-overview', 'ferry-tenants', 'ferry-vendors'])
  })
})

describe('every target is there', () => {
  const listening = services.flatMap(
    ([, { command }]) => /listen-address=(127\.0\.0\.1:\d+)/.exec(String(command))?.[1] ?? [],
  )
  const locations = (side: string): string[] =>
    [...read(`${side}/nginx.conf`).matchAll(/location = (\/metrics\/\S+) \{/g)].map(([, path = '']) => path)
  const [published = ''] = domestic.services.nginx.ports
  const bff = published.replace(/:\d+$/, '')

  it('relays and machines: nginx overseas has the page, before a service that exists', () => {
    const pages = ['/metrics/relay-1', '/metrics/relay-2', '/metrics/node', '/metrics/nginx']
    expect(locations('overseas')).toEqual(pages)
    const asked = [...targetsOf('relays'), ...targetsOf('nodes')].flatMap(
      ({ labels }) => labels?.__metrics_path__ ?? [],
    )
    expect(new Set(asked)).toEqual(new Set(pages.slice(0, 3)))
    const { environment } = overseas.services.nginx
    for (const [name, service, port] of [
      ['FERRY_METRICS_1', 'relay-1', 9090],
      ['FERRY_METRICS_2', 'relay-2', 9090],
      ['FERRY_NODE_METRICS', 'node-exporter', 9100],
    ] as const)
      expect(environment[name]).toBe(`${overseas.services[service].networks.relays.ipv4_address}:${port}`)
  })

  it('the node exporter overseas can read nginx’s figures and the host, publishes nothing, and is small', () => {
    const { volumes, ports, deploy } = overseas.services['node-exporter']
    const backups = '/var/lib/prometheus/node-exporter'
    expect(volumes).toEqual(['/:/host:ro', 'nginx-state:/var/lib/front:ro', `${backups}:/var/lib/host/textfile:ro`])
    expect(ports).toBeUndefined()
    expect(deploy.resources.limits).toEqual({ cpus: '0.25', memory: '128M' })
    expect(read('Dockerfile')).toContain('--collector.textfile.directory=/var/lib/*/textfile')
    expect(monitoring.services['node-exporter'].command).toContain(`--collector.textfile.directory=/host${backups}`)
    expect(read('scripts/backup')).toContain(`{BACKUP_METRICS_DIR-${backups}}`)
  })

  it('BFFs and nginx at home: where the domestic stack publishes nginx', () => {
    expect(targetsOf('bff').map(({ targets }) => targets)).toEqual([[bff], [bff]])
    const asked = targetsOf('bff').flatMap(({ labels }) => labels?.__metrics_path__ ?? [])
    expect(locations('domestic')).toEqual([...asked, '/metrics/nginx'])
    expect(monitoring.services['nginx-exporter'].command[0]).toBe(`--nginx.scrape-uri=http://${bff}/metrics/nginx`)
  })

  it('Redis: at the address that it has in the domestic network, with a password under the same name', () => {
    const addresses = ['redis', 'redis-cache'].map(
      (name) => `redis://${domestic.services[name].networks.bff.ipv4_address}:6379`,
    )
    expect(targetsOf('redis').flatMap(({ targets }) => targets)).toEqual(addresses)
    for (const name of ['redis', 'redis-cache']) expect(domestic.services[name].ports).toBeUndefined()
  })

  it('exporters: each on the port that its service listens on', () => {
    const exporters = [
      ...targetsOf('nginx').flatMap(({ targets }) => targets),
      ...targetsOf('alertmanager').flatMap(({ targets }) => targets),
      ...['redis', 'probes'].flatMap((name) => targetsOf(name).flatMap(({ labels }) => labels?.__exporter__ ?? [])),
      ...targetsOf('nodes').flatMap(({ targets }) => targets.filter((one) => one.startsWith('127.'))),
    ]
    expect(exporters.filter((one) => !listening.includes(one))).toEqual([])
    expect(targetsOf('voicebox')).toEqual([{ targets: ['127.0.0.1:8080'] }])
  })
})

describe('up.sh', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ferry-up-'))
    cpSync(DEPLOY, folder, { recursive: true })
    for (const name of ['crt', 'key']) writeFileSync(join(folder, `client.${name}`), `${name} of a client\n`)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const up = (env: Record<string, string>): Finished => {
    const example = read('monitoring/.env.example')
    const files = { METRICS_CLIENT_CERT: join(folder, 'client.crt'), METRICS_CLIENT_KEY: join(folder, 'client.key') }
    const more = Object.entries({ ...files, ...env }).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(join(folder, 'monitoring/.env'), example + more.join(''))
    return runProgram(join(folder, 'monitoring/up.sh'), ['files'])
  }
  const well = { WECOM_WEBHOOK_URL: 'https://qyapi.example/robot', REDIS_PASSWORD: 'pass-0123' }
  const written = (path: string): string => readFileSync(join(folder, 'monitoring', path), 'utf8')

  it('shellcheck has nothing to say', () => {
    const script = join(MONITORING, 'up.sh')
    expect(runProgram('shellcheck', ['-x', '-P', 'SCRIPTDIR', script])).toEqual({ status: 0, output: '' })
  })

  it('makes of .env.example the targets that are in the repository', () => {
    expect(up(well)).toEqual({ status: 0, output: '' })
    for (const name of readdirSync(join(MONITORING, 'prometheus/targets')))
      expect(written(`prometheus/targets/${name}`), name).toBe(read(`monitoring/prometheus/targets/${name}`))
  })

  it('makes a password for Grafana once, and hands the others over in files that others cannot reach', () => {
    expect(up(well).status).toBe(0)
    const password = written('secrets/grafana/admin_password')
    expect(password).toMatch(/^[0-9a-f]{48}$/)
    expect(up(well).status).toBe(0)
    expect(written('secrets/grafana/admin_password')).toBe(password)
    expect(statSync(join(folder, 'monitoring/secrets')).mode & 0o777).toBe(0o700)
    expect(JSON.parse(written('secrets/redis/passwords.json'))).toEqual({
      'redis://172.30.84.6:6379': 'pass-0123',
      'redis://172.30.84.7:6379': 'pass-0123',
    })
    expect(written('secrets/notify/wecom_webhook_url')).toBe('https://qyapi.example/robot')
    expect(written('secrets/scrape/metrics-client.key')).toBe('key of a client')
  })

  it('asks the BFFs themselves where nginx shows metrics to nobody', () => {
    const addresses = ['bff-1', 'bff-2'].map((name) => `${domestic.services[name].networks.bff.ipv4_address}:9090`)
    expect(read('monitoring/.env.example')).toContain(addresses.join(','))
    expect(up({ ...well, BFF_ADDRESS: '-', BFF_METRICS: addresses.join(',') })).toEqual({ status: 0, output: '' })
    const [first, second] = addresses
    expect(parse(written('prometheus/targets/bff.yml'))).toEqual([
      { targets: [first], labels: { instance: 'bff-1' } },
      { targets: [second], labels: { instance: 'bff-2' } },
    ])
    expect(written('prometheus/targets/nginx.yml')).not.toContain('domestic')
  })

  it('watches nothing that there is none of', () => {
    const none = {
      OVERSEAS_BACKUP: '',
      REDIS_CACHE_ADDRESS: '-',
      VOICEBOX_ADDRESS: '-',
      REDIS_ADDRESS: '127.0.0.1:6379',
    }
    expect(up({ ...well, ...none }).status).toBe(0)
    expect(written('prometheus/targets/voicebox.yml')).toContain('[]')
    expect(parse(written('prometheus/targets/redis.yml'))).toHaveLength(1)
    for (const name of ['relays', 'nodes', 'nginx', 'probes'])
      expect(written(`prometheus/targets/${name}.yml`), name).not.toContain('backup')
  })

  it.each([
    [{ WECOM_WEBHOOK_URL: '' }, 'nobody would hear of an alert: set DINGTALK_WEBHOOK_URL'],
    [{ METRICS_CLIENT_KEY: '/nowhere.key' }, 'METRICS_CLIENT_KEY is /nowhere.key, which cannot be read'],
    [{ REDIS_PASSWORD: '' }, 'there is no password of Redis: set REDIS_PASSWORD in .env'],
    [{ BFF_ADDRESS: '-' }, 'the BFFs would be unwatched: set BFF_METRICS'],
    [{ BFF_METRICS: '10.0.0.1:9090 ]' }, 'BFF_METRICS is "10.0.0.1:9090 ]"'],
    [{ OVERSEAS_PRIMARY: '' }, 'OVERSEAS_PRIMARY is "" in .env: give a name or an address'],
    [{ OVERSEAS_PRIMARY: 'https://llm-proxy.example.com/' }, 'OVERSEAS_PRIMARY is "https://llm-proxy.example.com/"'],
  ])('refuses %o', (env, text) => {
    // A copy that was restored would do for the certificate.
    rmSync(join(folder, 'monitoring/secrets'), { recursive: true, force: true })
    const { status, output } = up({ ...well, ...env })
    expect(status).toBe(1)
    expect(output).toContain(text)
  })

  it('each variable of .env.example is used, and each that is used is in it', () => {
    const used = new Set(
      [...`${read('monitoring/compose.yaml')}`.matchAll(/\$\{([A-Z_]+)[:?}-]/g)].map(([, name = '']) => name),
    )
    const offered = [...read('monitoring/.env.example').matchAll(/^#?([A-Z][A-Z_]+)=/gm)].map(([, name = '']) => name)
    const script = read('monitoring/up.sh')
    expect([...used].filter((name) => !offered.includes(name))).toEqual([])
    const inScript = (name: string): boolean =>
      script.includes(name) || script.includes(name.replace(/(CERT|KEY)$/, ''))
    expect(offered.filter((name) => !used.has(name) && !inScript(name))).toEqual([])
  })
})
