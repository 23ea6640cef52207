import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../../testkit/certs.ts'
import { eventually } from '../../testkit/eventually.ts'
import { type Chat, chat, type Door, load } from '../chats.ts'
import { type StreamingVendor, startVendor } from '../vendor.ts'
import { keeperOf } from './backup.ts'
import { hostSuite } from './host-suite.ts'
import { HERE_4, HERE_6, openOutside } from './scan.ts'
import { COMMIT, copyStack, docker, openWay, type Stack, startEngine } from './stacks.ts'

// The images, compose files and scripts themselves: `npm run test:deploy`. Root on Debian; takes minutes.

const KEY = 'bff-key-of-app-0123456789abcdef'
const TOKEN = 'relay-token-of-bff-0123456789abcdef'
const VENDOR_KEY = 'sk-vendor-openai-0123456789abcdef'
const NETS = { primary: '172.30.91', backup: '172.30.92', domestic: '172.30.93' } as const
const MINUTES = 60_000

const isReady = (origin: string): Promise<boolean> =>
  fetch(`${origin}/ready`).then(
    ({ ok }) => ok,
    () => false,
  )

const faults = (chats: readonly Chat[]): readonly Chat[] =>
  chats.filter(({ status, isWhole }) => status !== 200 || !isWhole)

describe('the stacks on a Docker engine', () => {
  const cleanUp: (() => unknown)[] = []
  let certificates: Certificates
  let vendor: StreamingVendor
  let primary: Stack

  let domestic: Stack
  let wayToPrimary: Awaited<ReturnType<typeof openWay>>
  let before: readonly number[]
  let outside: ReturnType<typeof openOutside>
  const door: Door = { origin: 'http://127.0.0.1:18081', key: KEY }

  const overseas = async (name: 'primary' | 'backup', http: string, https: string): Promise<Stack> => {
    const stack = copyStack(
      name,
      'overseas',
      {
        FERRY_DOMAIN: '',
        OPENAI_API_KEY: VENDOR_KEY,
        RELAY_TOKENS: `bff:${TOKEN}`,
        FERRY_TLS_CERT: '/etc/ferry/tls/fullchain.pem',
        FERRY_TLS_KEY: '/etc/ferry/tls/privkey.pem',
        OPENAI_UPSTREAM: `http://${NETS[name]}.1:${vendor.port}`,
        FERRY_NET: NETS[name],
        FERRY_HTTP_PORT: http,
        FERRY_HTTPS_PORT: https,
      },
      certificates,
    )
    cleanUp.unshift(() => rmSync(join(stack.folder, '../..'), { recursive: true }))
    cleanUp.unshift(() => stack.down())
    await stack.script('up.sh')
    return stack
  }

  beforeAll(async () => {
    const engine = startEngine()
    cleanUp.unshift(() => engine.stop())
    certificates = createCertificates(['primary.test', 'backup.test'])
    cleanUp.unshift(() => certificates.remove())
    vendor = await startVendor('0.0.0.0')
    cleanUp.unshift(() => vendor.stop())
    wayToPrimary = await openWay(18443)
    const wayToBackup = await openWay(19443)
    cleanUp.unshift(
      () => wayToPrimary.close(),
      () => wayToBackup.close(),
    )
    outside = openOutside()
    cleanUp.unshift(() => outside.close())
    before = outside.openPorts()
    primary = await overseas('primary', '18080', '18443')
    await overseas('backup', '19080', '19443')
    domestic = copyStack(
      'domestic',
      'domestic',
      {
        RELAY_URLS: `https://primary.test:${wayToPrimary.port},https://backup.test:${wayToBackup.port}`,
        RELAY_TOKEN: TOKEN,
        BFF_KEYS: `app:${KEY}`,
        RELAY_CA_FILE: '/etc/ferry/ca.pem',
        FERRY_NET: NETS.domestic,
        FERRY_PORT: '18081',
        RATE_LIMIT_RPM: '100000',
        DAILY_QUOTA: '100000',
        KEY_RATE_LIMIT_RPM: '100000',
        KEY_DAILY_QUOTA: '100000',
      },
      certificates,
    )
    cleanUp.unshift(() => rmSync(join(domestic.folder, '../..'), { recursive: true }))
    cleanUp.unshift(() => domestic.down())
    domestic.override(`services:
  bff-1: &names { extra_hosts: ["primary.test:${NETS.domestic}.1", "backup.test:${NETS.domestic}.1"] }
  bff-2: *names
`)
    await domestic.script('up.sh')
  }, 10 * MINUTES)
  afterAll(async () => {
    for (const step of cleanUp) await step()
  }, 3 * MINUTES)

  const ledger = (): string =>
    domestic.compose('exec', '-T', 'bff-1', 'sh', '-c', 'cat /var/lib/ferry/ledger.jsonl 2>/dev/null || true')
  const expectOneCallEach = async (chats: readonly Chat[]): Promise<void> => {
    for (const { id } of chats) expect(vendor.calls.get(id) ?? 0).toBeLessThanOrEqual(1)
    const linesOf = (id: string | null): number =>
      ledger()
        .split('\n')
        .filter((line) => id && line.includes(id)).length
    const last = chats.at(-1)?.requestId ?? null
    await eventually('the ledger has the last one', () => linesOf(last) > 0, 20_000)
    const lines = ledger().split('\n')
    for (const { requestId } of chats) expect(lines.filter((line) => line.includes(requestId ?? '-'))).toHaveLength(1)
  }

  it('streams a chat through all of it', { timeout: MINUTES }, async () => {
    const answer = await chat(door)
    expect(answer).toMatchObject({ status: 200, isWhole: true })
    await expectOneCallEach([answer])
  })

  it('backs up, and brings back after a wipe, quotas, usage, ledger and secrets', {
    timeout: 5 * MINUTES,
  }, async () => {
    const usage = async (): Promise<unknown> =>
      (await fetch(`${door.origin}/v1/usage`, { headers: { authorization: `Bearer ${KEY}` } })).json()
    const secret = (): string => readFileSync(join(domestic.folder, 'secrets/redis/auth.conf'), 'utf8')
    const before = { usage: await usage(), ledger: ledger(), secret: secret() }
    expect(before.ledger).not.toBe('')
    const keeper = keeperOf(domestic)
    const file = await keeper.backup()
    for (const word of [KEY, TOKEN, before.secret]) expect(readFileSync(file).includes(word)).toBe(false)
    domestic.down()
    for (const name of ['.env', 'secrets', 'config', 'compose.override.yaml'])
      rmSync(join(domestic.folder, name), { recursive: true })
    expect(await keeper.restore(file)).toContain('Nothing was changed')
    expect(existsSync(join(domestic.folder, '.env'))).toBe(false)
    await keeper.restore(file, '--apply')
    expect({ usage: await usage(), ledger: ledger(), secret: secret() }).toEqual(before)
    // It is in Redis's own file too, and the services write on where they were.
    await domestic.composeSlowly('restart', 'redis')
    await eventually(
      'Redis is back',
      async () => JSON.stringify(await usage()) === JSON.stringify(before.usage),
      20_000,
    )
    await expectOneCallEach([await chat(door)])
    expect(ledger().startsWith(before.ledger)).toBe(true)
    keeper.remove()
  })

  it('names a setting that cannot be used, and touches nothing that runs', { timeout: 5 * MINUTES }, async () => {
    const env = join(primary.folder, '.env')
    const good = readFileSync(env, 'utf8')
    const pids = (): readonly number[] => ['relay-1', 'relay-2', 'nginx'].map((service) => primary.pid(service))
    const before = pids()
    appendFileSync(env, 'MAX_BODY_BYTES=much\n')
    const refusal = (work: Promise<unknown>): Promise<{ code: number; said: string }> =>
      work.then(
        () => ({ code: 0, said: '' }),
        ({ code, stdout, stderr }) => ({ code, said: `${stdout}${stderr}` }),
      )
    const named = expect.stringContaining('MAX_BODY_BYTES')
    expect(await refusal(primary.script('up.sh'))).toEqual({ code: 78, said: named })
    expect(await refusal(primary.script('roll.sh'))).toEqual({ code: 78, said: named })
    expect(await refusal(primary.upgrade('9.9.9'))).toEqual({ code: 1, said: named })
    writeFileSync(env, good)
    await primary.script('up.sh')
    expect(pids()).toEqual(before)
  })

  it('has the images that it should have', () => {
    for (const name of ['relay', 'bff']) {
      const { Config, Size } = JSON.parse(docker('inspect', `llm-ferry/${name}:local`))[0]
      expect(Config.User).toBe('node')
      expect(Config.StopSignal).toBe('SIGTERM')
      expect(Config.Env).toContain(`FERRY_COMMIT=${COMMIT}`)
      expect(Config.Healthcheck).toMatchObject({ Interval: 30e9, Timeout: 3e9, StartPeriod: 5e9, Retries: 3 })
      const base = JSON.parse(docker('inspect', 'node:24-bookworm-slim'))[0]
      expect(Size - base.Size).toBeLessThan(70e6)
      const packages = docker('run', '--rm', '--entrypoint', 'ls', `llm-ferry/${name}:local`, 'node_modules/.pnpm')
      expect(packages).not.toMatch(/typescript|vitest|@types/)
    }
  })

  it('runs each container as a stranger with nothing to write to, and no secret in its environment', () => {
    for (const stack of [primary, domestic]) {
      for (const id of stack.compose('ps', '-q').split('\n')) {
        const [container] = JSON.parse(docker('inspect', id))
        const { Config, HostConfig } = container
        expect(Config.User).not.toMatch(/^(|0|root)$/)
        expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ['ALL'] })
        expect(HostConfig.RestartPolicy.Name).toBe('unless-stopped')
        expect(HostConfig.LogConfig.Config).toEqual({ 'max-file': '3', 'max-size': '10m' })
        for (const secret of [KEY, TOKEN, VENDOR_KEY]) expect(JSON.stringify(Config)).not.toContain(secret)
      }
    }
    const [relay] = JSON.parse(docker('inspect', primary.compose('ps', '-q', 'relay-1')))
    expect(relay.HostConfig).toMatchObject({ NanoCpus: 1e9, Memory: 2 ** 31, MemoryReservation: 2 ** 30 })
    expect(relay.Config.StopTimeout).toBe(620)
  })

  it('shows nginx to the outside and nothing else', { timeout: 2 * MINUTES }, () => {
    const open = outside.openPorts().filter((port) => !before.includes(port))
    expect(open).toEqual([18080, 18443, 19080, 19443])
    for (const [net, port] of [
      [NETS.primary, 3000],
      [NETS.primary, 9090],
      [NETS.domestic, 6379],
    ] as const) {
      expect(outside.canReach(`${net}.${port === 6379 ? 6 : 11}`, port)).toBe(false)
    }
  })

  const ADMIN = ['/admin/v1/keys', '/admin', '/metrics', '/metrics/bff-1', '/metrics/bff-2', '/metrics/nginx'] as const

  it('shows neither administration nor metrics to the outside', () => {
    const paths = ['/admin', '/metrics', '/metrics/relay-1', '/metrics/relay-2', '/metrics/node', '/metrics/nginx']
    for (const path of paths) {
      expect(outside.status(`https://${HERE_4}:18443${path}`), path).toBe(404)
      expect(outside.status(`https://[${HERE_6}]:18443${path}`), path).toBe(404)
      expect(outside.status(`http://${HERE_4}:18080${path}`), path).toBe(301)
    }
    expect(outside.status(`https://[${HERE_6}]:18443/health`)).toBe(200)
    // Whoever can route to the containers may reach what is published on loopback: Docker 20 lets that pass.
    for (const path of ADMIN) expect([0, 404]).toContain(outside.status(`http://${NETS.domestic}.10:8081${path}`))
  })

  it('shows administration and metrics to its own host', async () => {
    const token = readFileSync(join(domestic.folder, 'secrets/bff/bff_admin_token'), 'utf8')
    const status = async (path: string): Promise<number> =>
      (await fetch(`${door.origin}${path}`, { headers: { authorization: `Bearer ${token}` } })).status
    for (const path of ['/admin/v1/keys', '/metrics/bff-1', '/metrics/bff-2', '/metrics/nginx'])
      expect(await status(path), path).toBe(200)
    expect(await status('/metrics')).toBe(404)
  })

  it.each([HERE_4, `[${HERE_6}]`])(
    'shows neither of them at %s, should the domestic side be published there',
    {
      timeout: 2 * MINUTES,
    },
    async (address) => {
      const file = join(domestic.folder, '.env')
      const env = readFileSync(file, 'utf8')
      const nginx = ['up', '-d', '--no-deps', '--no-build', 'nginx'] as const
      writeFileSync(file, `${env}FERRY_BIND=${address}\n`)
      await domestic.composeSlowly(...nginx)
      const at = `http://${address}:18081`
      await eventually('it serves there', () => outside.status(`${at}/health`) === 200, 10_000)
      for (const path of ADMIN) expect(outside.status(`${at}${path}`), path).toBe(404)
      writeFileSync(file, env)
      await domestic.composeSlowly(...nginx)
      await eventually('it is back', () => isReady(door.origin), 10_000)
    },
  )

  it('loses, when a relay is killed, what it held and says so, and nothing else', {
    timeout: 2 * MINUTES,
  }, async () => {
    const running = load(door, 12)
    await sleep(1500)
    const killedAt = performance.now()
    process.kill(primary.pid('relay-1'), 'SIGKILL')
    await sleep(5000)
    const chats = await running.stop()
    expect(faults(chats.filter(({ startedAt }) => startedAt > killedAt + 100))).toEqual([])
    const lost = faults(chats)
    expect(lost.length).toBeGreaterThan(0)
    for (const one of lost) expect(one).toMatchObject({ error: 'exchange_lost', hasTerminator: false })
    await expectOneCallEach(chats)
    await eventually('Docker has started it again', () => primary.pid('relay-1') > 0, 20_000)
  })

  it('rolls, upgrades and goes back under load without a failed call or a cut stream', {
    timeout: 10 * MINUTES,
  }, async () => {
    const imageOf = (): string => docker('inspect', '-f', '{{.Image}}', domestic.compose('ps', '-q', 'bff-2'))
    const former = imageOf()
    const running = load(door, 8)
    await primary.script('roll.sh')
    // What a new checkout brings, which would be in anything that is built from now on.
    appendFileSync(join(domestic.folder, '../images/healthcheck.mjs'), '// newer\n')
    await domestic.upgrade('1.1.0')
    expect(imageOf()).not.toBe(former)
    await domestic.upgrade('--rollback')
    expect(imageOf()).toBe(former)
    const chats = await running.stop()
    expect(faults(chats)).toEqual([])
    await expectOneCallEach(chats)
  })

  it('hands a certificate of certbot to nginx', () => {
    const lineage = 'mkdir /tmp/l && echo chain >/tmp/l/fullchain.pem && echo key >/tmp/l/privkey.pem'
    primary.compose('exec', '-T', 'certbot', 'sh', '-c', `${lineage} && RENEWED_LINEAGE=/tmp/l certificates install`)
    const names = ['fullchain', 'privkey'].map((name) => `/var/lib/tls/current/${name}.pem`)
    expect(primary.compose('exec', '-T', 'nginx', 'cat', ...names)).toBe('chain\nkey')
  })

  it('has ferry in the containers of both sides, with what they know', async () => {
    const look = (stack: Stack, service: string): Promise<string> =>
      stack.composeSlowly('exec', '-T', service, 'sh', '-c', 'ferry doctor || true')
    const home = await look(domestic, 'bff-1')
    expect(home).toMatch(/^✓ token +primary\.test/m)
    expect(home).toMatch(/^✓ redis/m)
    expect(await look(primary, 'relay-1')).toMatch(/openai/)
    for (const secret of [KEY, TOKEN, VENDOR_KEY]) expect(home).not.toContain(secret)
  })

  it('stops a relay without a failed call or a cut stream', { timeout: 2 * MINUTES }, async () => {
    const running = load(door, 8)
    await sleep(1000)
    await primary.composeSlowly('stop', 'relay-1')
    await sleep(1000)
    const chats = await running.stop()
    expect(faults(chats)).toEqual([])
    await primary.composeSlowly('start', 'relay-1')
  })

  it('backs up an overseas host, and brings its keys and certificates back', { timeout: 5 * MINUTES }, async () => {
    const certbot = ['exec', '-T', 'certbot', 'sh', '-c'] as const
    primary.compose(...certbot, 'mkdir -p /etc/letsencrypt/live && echo account-key >/etc/letsencrypt/live/key')
    const keeper = keeperOf(primary)
    const file = await keeper.backup()
    primary.down()
    for (const name of ['.env', 'secrets', 'tls']) rmSync(join(primary.folder, name), { recursive: true })
    await keeper.restore(file, '--apply')
    expect(primary.compose(...certbot, 'cat /etc/letsencrypt/live/key; id -u')).toBe('account-key\n101')
    expect(readFileSync(join(primary.folder, 'secrets/relay/openai_api_key'), 'utf8')).toBe(VENDOR_KEY)
    expect(faults([await chat(door)])).toEqual([])
    keeper.remove()
  })

  it('is served by the backup within 3 s when the whole primary is gone', { timeout: 2 * MINUTES }, async () => {
    await wayToPrimary.close()
    await primary.composeSlowly('kill')
    const chats = await Promise.all(Array.from({ length: 8 }, () => chat(door)))
    expect(faults(chats)).toEqual([])
    for (const { startedAt, firstWordAt = Number.POSITIVE_INFINITY } of chats)
      expect(firstWordAt - startedAt).toBeLessThan(3000)
    await expectOneCallEach(chats)
  })

  it.each(['overseas', 'domestic', 'monitoring'])(
    '%s: has a compose file that Compose takes without a warning',
    (name) => {
      const file = join(domestic.folder, '..', name, 'compose.yaml')
      const env = { ...process.env, OVERSEAS_PRIMARY: 'a.example' }
      // up.sh writes it.
      if (name === 'overseas') writeFileSync(join(domestic.folder, '..', name, 'settings.env'), '')
      const { stdout, stderr, status } = spawnSync('docker', ['compose', '-f', file, 'config', '-q'], {
        env,
        encoding: 'utf8',
      })
      expect({ stdout, stderr, status }).toEqual({ stdout: '', stderr: '', status: 0 })
    },
  )

  it('keeps secrets where only their owner can look', () => {
    expect(readFileSync(join(primary.folder, 'secrets/relay/openai_api_key'), 'utf8')).toBe(VENDOR_KEY)
    expect(
      docker(
        'run',
        '--rm',
        '--user',
        '1234',
        '--entrypoint',
        'sh',
        '-v',
        `${primary.folder}:/x`,
        'llm-ferry/relay:local',
        '-c',
        'cat /x/secrets/relay/openai_api_key /x/.env 2>&1 || true',
      ),
    ).not.toContain(VENDOR_KEY)
  })

  hostSuite()
})
