import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listen } from '@llm-ferry/kit'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { RELAY_TOKEN, relayEnv, type Service, type ServiceEnv, startBff, startRelay } from '../testkit/services.ts'
import { ferry, ferryHere, type Run } from './ferry.ts'
import { startProgram } from './program.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const BFF_KEY = 'bff-key-of-app-0123456789'
interface Finding {
  readonly check: string
  readonly subject: string
  readonly state: 'ok' | 'warn' | 'fail'
  readonly detail: string
  readonly todo?: string
}

describe('ferry doctor', () => {
  let certificates: Certificates
  let folder: string
  /** A relay, a BFF and a Redis that are well, with a vendor that takes every key. */
  let relay: Service
  let bff: Service
  let redis: RedisServer
  let upstream: string
  let expired: ReturnType<typeof expiredCertificate>
  /** A line that is slow and stalls: looked at while the other set-ups are. */
  let slowLine: Promise<{ found: readonly Finding[] }>
  const stops: (() => unknown)[] = []
  const lasting: (() => unknown)[] = []

  beforeAll(async () => {
    certificates = createCertificates()
    folder = mkdtempSync(join(tmpdir(), 'ferry-doctor-'))
    writeFileSync(join(folder, 'empty.env'), '')
    // Made now: it keeps this process from all else, and times are taken later.
    expired = expiredCertificate(folder)
    let count = 0
    const port = await serve((request, response) => {
      const isSlow = request.url === '/health' && ++count % 5 === 0
      setTimeout(() => ready(0)(request, response), isSlow ? 700 : 450)
    })
    upstream = await vendor(200)
    ;[redis, relay] = await Promise.all([
      startRedis(['--save', '', '--appendonly', 'yes']),
      startRelay(relayEnv(upstream)),
    ])
    bff = await startBff({
      BFF_KEYS: `app:${BFF_KEY}`,
      RELAY_URLS: relay.origin,
      RELAY_TOKEN,
      REDIS_URL: redis.url,
    })
    lasting.push(
      ...stops.splice(0),
      () => redis.stop(),
      () => relay.stop(),
      () => bff.stop(),
    )
    slowLine = diagnose({ RELAY_URLS: `http://127.0.0.1:${port}` })
  })
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
  })
  afterAll(async () => {
    for (const stop of lasting.reverse()) await stop()
    certificates.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Watches a master under the name `main`; one alone could not replace it. */
  async function startSentinel(master: number): Promise<number> {
    const port = await freePort()
    const config = join(folder, `sentinel-${port}.conf`)
    writeFileSync(config, `port ${port}\nbind 127.0.0.1\ndir ${folder}\nsentinel monitor main 127.0.0.1 ${master} 2\n`)
    const program = startProgram('redis-server', [config, '--sentinel'])
    stops.push(() => program.stop())
    const answers = (): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1')
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
        socket.once('close', () => socket.destroy()).once('connect', () => socket.end())
      })
    await eventually('the sentinel answers', answers, 10_000)
    return port
  }
  const keep = <T extends { stop(): unknown }>(part: T): T => {
    stops.push(() => part.stop())
    return part
  }
  const serve = async (answer: RequestListener, tls?: { key: string; cert: string }): Promise<number> => {
    const server = tls ? createTlsServer(tls, answer) : createServer(answer)
    stops.push(() => {
      server.closeAllConnections()
      server.close()
    })
    return listen(server, 0, '127.0.0.1')
  }
  /** A vendor that answers every key alike. */
  const vendor = (status: number): Promise<string> =>
    serve((_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end('{"data":[]}')).then(
      (port) => `http://127.0.0.1:${port}`,
    )
  const relayAt = async (upstream: Parameters<typeof relayEnv>[0], more: ServiceEnv = {}): Promise<Service> =>
    keep(await startRelay(relayEnv(upstream, more)))
  /** What answers as a relay does, whose clock and state are as given. */
  const ready =
    (offsetMs: number, status = 200): RequestListener =>
    (_, response) => {
      const body = {
        status: status === 200 ? 'ok' : 'draining',
        timestamp: new Date(Date.now() + offsetMs).toISOString(),
      }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }

  // Authorities of one's own are read as a process starts; all else is looked at in this one.
  const runDoctor = (args: string[], env: Record<string, string>): Promise<Run> =>
    env.NODE_EXTRA_CA_CERTS === undefined ? ferryHere(args, env) : ferry(args, env)

  async function diagnose(env: Record<string, string>): Promise<{ code: number | null; found: readonly Finding[] }> {
    const { code, stdout, stderr } = await runDoctor(['doctor', '--json', '--env', join(folder, 'empty.env')], env)
    expect(stderr).toMatch(/^(ferry: \d+ to mend\n)?$/)
    for (const secret of [RELAY_TOKEN, BFF_KEY, 'redis-password-0123']) expect(stdout).not.toContain(secret)
    return { code, found: JSON.parse(stdout) as Finding[] }
  }
  /** Runs it and expects exactly this fault, with something to do. */
  async function expectFault(
    env: Record<string, string>,
    check: string,
    detail: RegExp,
    state = 'fail',
  ): Promise<Finding> {
    const { code, found } = await diagnose(env)
    const fault = found.find((finding) => finding.check === check && finding.state === state)
    expect(fault, JSON.stringify(found)).toBeDefined()
    expect(fault?.detail).toMatch(detail)
    expect(fault?.todo).toMatch(/\w{3}/)
    expect(code).toBe(found.some((finding) => finding.state === 'fail') ? 1 : 0)
    // Nothing else is blamed.
    if (state === 'fail')
      expect(new Set(found.filter((f) => f.state === 'fail').map((f) => f.check))).toEqual(new Set([check]))
    return fault as Finding
  }

  it('finds nothing where all is well, from both sides', async () => {
    const home = {
      RELAY_URLS: relay.origin,
      RELAY_TOKEN,
      REDIS_URL: redis.url,
      FERRY_URL: bff.origin,
      FERRY_KEY: BFF_KEY,
    }
    const here = await diagnose(home)
    expect(here.found.filter(({ state }) => state !== 'ok')).toEqual([])
    expect(here.code).toBe(0)
    const checks = new Set(here.found.map(({ check }) => check))
    expect(checks).toEqual(
      new Set([
        'version',
        'dns',
        'tcp',
        'ready',
        'clock',
        'rtt',
        'loss',
        'token',
        'vendor',
        'redis',
        'bff',
        'versions',
      ]),
    )
    const there = await diagnose({ OPENAI_API_KEY: 'sk-a,sk-b', OPENAI_UPSTREAM: upstream })
    expect(there.found.filter(({ check, state }) => check === 'vendor' && state === 'ok')).toHaveLength(2)
  })

  it('is told versions by the services that know the credential; strangers are not', async () => {
    const health = async (origin: string, key?: string): Promise<object> =>
      (
        await fetch(`${origin}/health`, key ? { headers: { authorization: `Bearer ${key}` } } : {})
      ).json() as Promise<object>
    for (const [{ origin }, key] of [
      [relay, RELAY_TOKEN],
      [bff, BFF_KEY],
    ] as const) {
      expect(Object.keys(await health(origin))).toEqual(['status', 'timestamp'])
      expect(Object.keys(await health(origin, 'a-stranger-s-key-0123456789'))).toEqual(['status', 'timestamp'])
      expect(await health(origin, key)).toMatchObject({
        status: 'ok',
        version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      })
    }
    for (const { metricsPort } of [relay, bff]) {
      const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
      expect(page).toMatch(/^ferry_build_info\{version="\d+\.\d+\.\d+",commit="[0-9a-f]*",node="\d+\.\d+\.\d+"\} 1$/m)
    }
  })

  it('1: the name is not known', () =>
    expectFault({ RELAY_URLS: 'https://relay.invalid', RELAY_TOKEN }, 'dns', /not known/))

  it('2: nothing listens', async () =>
    expectFault({ RELAY_URLS: `http://127.0.0.1:${await freePort()}`, RELAY_TOKEN }, 'tcp', /nothing listens/))

  it('3: no TLS where TLS is expected', async () =>
    expectFault({ RELAY_URLS: `https://127.0.0.1:${await serve(ready(0))}`, RELAY_TOKEN }, 'tls', /no TLS/))

  it('4: a connection that is cut as it begins TLS', async () => {
    const server = createTcpServer((socket) => socket.once('data', () => socket.resetAndDestroy()))
    stops.push(() => server.close())
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    )
    await expectFault({ RELAY_URLS: `https://localhost:${port}`, RELAY_TOKEN }, 'tls', /handshake fails/)
  })

  it('5: a certificate of an authority that nobody knows', async () => {
    const port = await serve(ready(0), certificates)
    await expectFault({ RELAY_URLS: `https://localhost:${port}`, RELAY_TOKEN }, 'tls', /nobody known/)
  })

  it('5b: nginx that has no certificate yet', async () => {
    const [keyFile, certFile] = [join(folder, 'placeholder.key'), join(folder, 'placeholder.crt')]
    // As deploy/images/front makes it.
    const subject = ['-nodes', '-days', '3650', '-subj', '/CN=no-certificate-yet']
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-keyout', keyFile, '-out', certFile]
    execFileSync('openssl', ['req', '-x509', ...key, ...subject], { stdio: 'pipe' })
    const port = await serve(ready(0), { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') })
    const fault = await expectFault(
      { RELAY_URLS: `https://localhost:${port}`, RELAY_TOKEN },
      'tls',
      /no certificate yet/,
    )
    expect(fault.todo).toContain('port 80')
  })

  it('6: a certificate for another name', async () => {
    const port = await serve(ready(0), certificates)
    // 127.0.0.2 is loopback, and not in it.
    const server = createTcpServer((socket) => socket.pipe(connect(port, '127.0.0.1')).pipe(socket))
    stops.push(() => server.close())
    const other = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.2', () => resolve((server.address() as { port: number }).port)),
    )
    const env = { RELAY_URLS: `https://127.0.0.2:${other}`, RELAY_TOKEN, NODE_EXTRA_CA_CERTS: certificates.caFile }
    await expectFault(env, 'tls', /not for 127\.0\.0\.2/)
  })

  it('7: a certificate that has expired', async () => {
    const port = await serve(ready(0), expired)
    const env = { RELAY_URLS: `https://localhost:${port}`, RELAY_TOKEN, NODE_EXTRA_CA_CERTS: expired.certFile }
    await expectFault(env, 'tls', /has expired/)
  })

  it('8: a certificate that ends within three days', async () => {
    const port = await serve(ready(0), certificates)
    const env = { RELAY_URLS: `https://localhost:${port}`, RELAY_TOKEN, NODE_EXTRA_CA_CERTS: certificates.caFile }
    const { found } = await diagnose(env)
    const fault = found.find(({ check }) => check === 'certificate')
    expect(fault).toMatchObject({ state: 'fail', detail: expect.stringMatching(/good for (0\.9|1\.0) days/) })
    expect(fault?.todo).toContain('certbot')
  })

  it('9: something that is no relay', async () => {
    const port = await serve((_, response) => response.end('<html>Welcome to nginx!</html>'))
    await expectFault({ RELAY_URLS: `http://127.0.0.1:${port}`, RELAY_TOKEN }, 'ready', /no relay/)
  })

  it('10: nginx without a relay behind it', async () => {
    const port = await serve((_, response) =>
      response.writeHead(502, { 'x-ferry-error': 'upstream_unreachable' }).end('{}'),
    )
    await expectFault({ RELAY_URLS: `http://127.0.0.1:${port}`, RELAY_TOKEN }, 'ready', /no relay behind/)
  })

  it('11: a clock that is two minutes behind', async () => {
    const port = await serve(ready(-120_000))
    const { found } = await diagnose({ RELAY_URLS: `http://127.0.0.1:${port}`, RELAY_TOKEN })
    expect(found.find(({ check }) => check === 'clock')).toMatchObject({
      state: 'fail',
      detail: expect.stringMatching(/^(119|120)\.\d s behind/),
    })
  })

  it('12: a token that the relay does not know, or none', async () => {
    await expectFault({ RELAY_URLS: relay.origin, RELAY_TOKEN: 'another-token-0123456789' }, 'token', /does not know/)
    await expectFault({ RELAY_URLS: relay.origin }, 'token', /not set/)
  })

  it('13: an address that the relay does not serve', async () => {
    const relay = await relayAt(upstream, { RELAY_ALLOWED_IPS: '10.0.0.0/8' })
    await expectFault({ RELAY_URLS: relay.origin, RELAY_TOKEN }, 'token', /address/)
  })

  it('14, 15, 16: a vendor’s key that is refused, a vendor that cannot be reached, one without a key', async () => {
    const refusing = await vendor(401)
    const relay = await relayAt(
      { openai: refusing, anthropic: `http://127.0.0.1:${await freePort()}`, gemini: upstream },
      { GEMINI_API_KEY: '' },
    )
    const { code, found } = await diagnose({ RELAY_URLS: relay.origin, RELAY_TOKEN })
    const of = (name: string) => found.filter(({ check, subject }) => check === 'vendor' && subject.startsWith(name))
    expect(of('openai')).toMatchObject([
      { state: 'fail', detail: 'the vendor refuses the key', todo: expect.stringMatching(/\w{3}/) },
    ])
    expect(of('anthropic')).toMatchObject([
      { state: 'fail', detail: 'the relay cannot reach the vendor', todo: expect.stringMatching(/\w{3}/) },
    ])
    // Not every relay has every vendor.
    expect(of('gemini')).toMatchObject([
      { state: 'warn', detail: 'the relay has no key for it', todo: expect.stringMatching(/\w{3}/) },
    ])
    expect(code).toBe(1)
    expect(found.filter(({ check, state }) => check !== 'vendor' && state !== 'ok')).toEqual([])
    const answering400 = await serve((_, response) =>
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"error":{"code":400,"details":[{"reason":"API_KEY_INVALID"}]}}'),
    )
    const bad = { GEMINI_API_KEY: 'AIza-x', GEMINI_UPSTREAM: `http://127.0.0.1:${answering400}` }
    await expectFault(bad, 'vendor', /refuses the key/)
    const direct = await expectFault(
      { GEMINI_API_KEY: 'AIza-x', GEMINI_UPSTREAM: refusing },
      'vendor',
      /refuses the key/,
    )
    expect(direct.subject).toBe('gemini, key 1 of GEMINI_API_KEY')
  })

  it('16b: a vendor that only a proxy leads to', async () => {
    const seen: (string | undefined)[] = []
    const proxyPort = await serve((request, response) => {
      seen.push(request.url)
      response.end('{"data":[]}')
    })
    const env = {
      OPENAI_API_KEY: 'sk-x',
      OPENAI_UPSTREAM: 'http://vendor.invalid',
      HTTP_PROXY: `http://127.0.0.1:${proxyPort}`,
    }
    const { found } = await diagnose(env)
    expect(found.find(({ check }) => check === 'vendor')).toMatchObject({ state: 'ok' })
    expect(seen).toEqual(['http://vendor.invalid/v1/models'])
    await expectFault({ ...env, NO_PROXY: 'vendor.invalid' }, 'vendor', /no answer/)
  })

  it('17: Redis with another password, one that evicts, one that forgets, none', async () => {
    const redis = keep(await startRedis(['--maxmemory-policy', 'allkeys-lru', '--save', '']))
    await redis.command('CONFIG SET requirepass redis-password-0123')
    const at = (password: string): string => `redis://:${password}@127.0.0.1:${redis.port}/0`
    await expectFault({ REDIS_URL: at('wrong') }, 'redis', /password/)
    await expectFault({ REDIS_URL: at('redis-password-0123') }, 'redis', /allkeys-lru/)
    await expectFault({ REDIS_URL: at('redis-password-0123') }, 'redis', /appendonly is off/, 'warn')
    await expectFault({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` }, 'redis', /no answer/)
  })

  it('17b: a Redis for the cache with another password, which may evict and forget', async () => {
    const redis = keep(await startRedis(['--maxmemory-policy', 'allkeys-lru', '--save', '']))
    await redis.command('CONFIG SET requirepass redis-password-0123')
    const at = (password: string): string => `redis://:${password}@127.0.0.1:${redis.port}/0`
    const fault = await expectFault({ REDIS_CACHE_URL: at('wrong') }, 'redis', /password/)
    expect(fault.todo).toContain('REDIS_CACHE_URL')
    expect((await diagnose({ REDIS_CACHE_URL: at('redis-password-0123') })).code).toBe(0)
  })

  it('18: a key that the BFF does not know', async () => {
    await expectFault({ FERRY_URL: bff.origin, FERRY_KEY: 'another-key-0123456789' }, 'bff', /does not know FERRY_KEY/)
  })

  it('19: a line that is slow and stalls', async () => {
    const { found } = await slowLine
    expect(found.find(({ check }) => check === 'rtt')).toMatchObject({
      state: 'warn',
      detail: expect.stringMatching(/^4[5-9]\d ms/),
    })
    expect(found.find(({ check }) => check === 'loss')).toMatchObject({
      state: 'warn',
      detail: expect.stringContaining('about 10.0 %: 4 of 20'),
    })
  }, 60_000)

  it('20: a BFF whose clock is two minutes ahead, or where something else listens', async () => {
    const port = await serve(ready(120_000))
    await expectFault({ FERRY_URL: `http://127.0.0.1:${port}` }, 'clock', /^1(19|20)\.\d s ahead/)
    await expectFault({ FERRY_URL: `http://127.0.0.1:${await freePort()}` }, 'tcp', /nothing listens/)
  })

  it('21: versions that differ, that take turns behind one address, or are not told', async () => {
    const telling =
      (...versions: (string | undefined)[]): RequestListener =>
      (request, response) => {
        const build =
          request.url === '/health' ? { version: versions[turn++ % versions.length], commit: 'abc1234' } : {}
        const body = { status: 'ok', timestamp: new Date().toISOString(), ...build }
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      }
    let turn = 0
    const env = async (...versions: (string | undefined)[]) => ({
      FERRY_URL: `http://127.0.0.1:${await serve(telling(...versions))}`,
      FERRY_KEY: BFF_KEY,
    })
    const skew = await expectFault(await env('9.9.9'), 'versions', /ferry \d\S+, BFF \S+ 9\.9\.9 \(abc1234\)/, 'warn')
    expect(skew.todo).toContain('scripts/upgrade')
    await expectFault(await env('9.9.8', '9.9.9'), 'versions', /9\.9\.\d \(abc1234\) and 9\.9\.\d/, 'warn')
    await expectFault(await env(undefined), 'versions', /no version is told/, 'warn')
  })

  it('22: sentinels that watch another master, that are none, or are not there; the master behind them', async () => {
    const sentinel = await startSentinel(redis.port)
    const to = (...hosts: (number | string)[]): string =>
      `redis+sentinel://${hosts.map((at) => `127.0.0.1:${at}`).join(',')}`
    await expectFault({ REDIS_URL: `${to(sentinel)}/other` }, 'redis', /watches no master "other"/)
    await expectFault({ REDIS_URL: `${to(redis.port)}/main` }, 'redis', /is no sentinel/)
    await expectFault({ REDIS_URL: `${to(await freePort())}/main` }, 'redis', /no answer \(ECONNREFUSED\)/)
    await expectFault({ REDIS_URL: `${to(sentinel)}/main` }, 'redis', /1 of its sentinels/, 'warn')
    const { found } = await diagnose({ REDIS_URL: `${to(sentinel)}/main` })
    expect(found.map(({ subject, detail }) => `${subject}: ${detail}`)).toEqual(
      expect.arrayContaining([
        `sentinel 127.0.0.1:${sentinel}: watches 127.0.0.1:${redis.port}`,
        expect.stringMatching(new RegExp(`^127\\.0\\.0\\.1:${redis.port}: version \\d.*master`)),
      ]),
    )
    await expectFault({ REDIS_URL: `redis://127.0.0.1:${sentinel}` }, 'redis', /is a sentinel, no server/)
  })

  it('23: a cluster that lacks slots, a server that is no cluster', async () => {
    const node = keep(await startRedis(['--cluster-enabled', 'yes', '--appendonly', 'yes', '--save', '']))
    const url = `redis+cluster://127.0.0.1:${node.port}`
    await node.command('CLUSTER ADDSLOTSRANGE 0 16000')
    await expectFault({ REDIS_URL: url }, 'redis', /its state is fail, 16001 of 16384 slots/)
    await node.command('CLUSTER ADDSLOTSRANGE 16001 16383')
    await eventually('it serves', async () => (await node.command('CLUSTER INFO')).includes('cluster_state:ok'), 10_000)
    const { code, found } = await diagnose({ REDIS_URL: url })
    expect(found.at(-1)).toMatchObject({ check: 'redis', subject: 'cluster', detail: '1 masters, all slots served' })
    expect(code).toBe(0)
    await expectFault({ REDIS_URL: `redis+cluster://127.0.0.1:${redis.port}` }, 'redis', /is no node of a cluster/)
  })

  it('reads .env files and NAME_FILE, and says for people what it found', async () => {
    writeFileSync(join(folder, 'token'), `${RELAY_TOKEN}\n`)
    writeFileSync(join(folder, 'side.env'), `RELAY_URLS=${relay.origin}\nRELAY_TOKEN_FILE=${join(folder, 'token')}\n`)
    const { code, stdout } = await ferry(['doctor', '--env', join(folder, 'side.env')])
    expect(stdout).toMatch(/✓ token {7}127\.0\.0\.1:\d+: known to the relay/)
    expect(stdout).toContain('All is well enough to serve.')
    expect(code).toBe(0)
  })

  it('says what to set when there is nothing to look at, or it cannot be used', async () => {
    for (const [args, env, text] of [
      [[], {}, /set RELAY_URLS/],
      [['--env', '/nowhere/.env'], {}, /cannot be read \(ENOENT\)/],
      [['--colour'], {}, /Unknown option '--colour'/],
      [[], { RELAY_URLS: 'relay.example.com' }, /RELAY_URLS has "relay\.example\.com"/],
    ] as const) {
      const { code, stderr } = await ferry(['doctor', ...args], env)
      expect(code).toBe(2)
      expect(stderr).toMatch(text)
    }
  })
})

describe('ferry bench-link', () => {
  it('measures a relay without calling a vendor', async () => {
    let calls = 0
    const server = createServer((_, response) => {
      calls++
      response.end()
    })
    const upstream = `http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}`
    const relay = await startRelay(relayEnv(upstream))
    try {
      const env = { RELAY_URLS: relay.origin, RELAY_TOKEN }
      const { code, stdout, stderr } = await ferry(['bench-link', '--samples', '10', '--json'], env)
      expect(stderr).toBe('')
      expect(code).toBe(0)
      const { rttMs, uploads, stalledPercent } = JSON.parse(stdout)
      expect(rttMs.median).toBeGreaterThan(0)
      expect(uploads.map(({ kib }: { kib: number }) => kib)).toEqual([16, 128, 1024])
      for (const { ms, mbit } of uploads) expect(Math.min(ms, mbit)).toBeGreaterThan(0)
      expect(stalledPercent).toBeLessThanOrEqual(100)
      expect(calls).toBe(0)
      const refused = await ferry(['bench-link', '--samples', '10'], {
        ...env,
        RELAY_TOKEN: 'another-token-0123456789',
      })
      expect(refused.code).toBe(1)
      expect(refused.stderr).toContain('401')
    } finally {
      await relay.stop()
      server.close()
    }
  })
})

describe('ferry init', () => {
  it('writes both sides, which then start and reach each other', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ferry-init-'))
    const upstream = createServer((_, response) =>
      response.setHeader('content-type', 'application/json').end('{"data":[]}'),
    )
    const upstreamUrl = `http://127.0.0.1:${await listen(upstream, 0, '127.0.0.1')}`
    const overseas = await ferry(['init', '--dir', join(folder, 'overseas')], {}, 'relay\nsk-openai-0123\n\n\n')
    expect(overseas.stderr).toBe('')
    expect(overseas.code).toBe(0)
    const [, token = ''] = /^ {2}([0-9a-f]{48})$/m.exec(overseas.stdout) ?? []
    const { PORT: _port, ...relayFile } = settingsOf(join(folder, 'overseas/.env'))
    const relay = await startRelay({ ...relayFile, OPENAI_UPSTREAM: upstreamUrl })
    const answers = `bff\n${relay.origin}\n${token}\nphone\nredis://127.0.0.1:6379/0\n\n`
    const domestic = await ferry(['init', '--dir', join(folder, 'domestic')], {}, answers)
    expect(domestic.code).toBe(0)
    const { PORT, REDIS_URL: _, METRICS_PORT: _metrics, ...bffFile } = settingsOf(join(folder, 'domestic/.env'))
    expect(PORT).toBe('8081')
    const bff = await startBff({ ...bffFile, FERRY_CONFIG: join(folder, 'domestic/ferry.yaml') })
    const [, key = ''] = /^ {2}([0-9a-f]{48})$/m.exec(domestic.stdout) ?? []
    const env = { RELAY_URLS: relay.origin, RELAY_TOKEN: token, FERRY_URL: bff.origin, FERRY_KEY: key }
    expect((await ferry(['doctor'], env)).code).toBe(0)
    const check = ['config', 'check', '--quiet', '--env', '.env', '--dir', root]
    const checks = ['overseas', 'domestic'].map((side) => ferry(check, {}, '', join(folder, side)))
    for (const { code, stdout } of await Promise.all(checks)) {
      expect(stdout).toMatch(/^(relay|bff): the configuration can be used\n$/)
      expect(code).toBe(0)
    }
    const again = await ferry(['init', '--dir', join(folder, 'domestic')], {}, answers)
    expect(again.code).toBe(2)
    expect(again.stderr).toContain('exists')
    for (const service of [relay, bff]) await service.stop()
    upstream.close()
    rmSync(folder, { recursive: true })
  })

  it.concurrent.each([
    ['relay\n\n\n\n', /without a vendor’s key/],
    ['bff\nhttps://a.example\nshort\n', /16 characters/],
    ['bff\na.example\n', /no URL/],
    ['neither\nnor\nthis\n', /answer relay or bff/],
    ['relay\n', /ended early/],
  ] as const)('writes nothing when an answer cannot be used, or answers end: %j', async (input, text) => {
    const folder = mkdtempSync(join(tmpdir(), 'ferry-init-'))
    const { code, stderr } = await ferry(['init', '--dir', folder], {}, input)
    expect(code, input).toBe(2)
    expect(stderr).toMatch(text)
    expect(() => readFileSync(join(folder, '.env'))).toThrow('ENOENT')
    rmSync(folder, { recursive: true })
  })
})

function settingsOf(file: string): Record<string, string> {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line))
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

/** A self-signed certificate for localhost that ended a while ago. */
function expiredCertificate(folder: string): { key: string; cert: string; certFile: string } {
  const at = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'old.key', '-out', 'old.csr', '-subj', '/CN=localhost')
  writeFileSync(at('index'), '')
  writeFileSync(at('serial'), '01\n')
  writeFileSync(
    at('ca.cnf'),
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${at('index')}\nserial=${at('serial')}\nnew_certs_dir=${folder}\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:localhost\n`,
  )
  const dates = ['-startdate', '20240101000000Z', '-enddate', '20240201000000Z']
  openssl(
    'ca',
    '-config',
    'ca.cnf',
    '-batch',
    '-selfsign',
    '-keyfile',
    'old.key',
    '-in',
    'old.csr',
    '-out',
    'old.crt',
    ...dates,
  )
  return {
    key: readFileSync(at('old.key'), 'utf8'),
    cert: readFileSync(at('old.crt'), 'utf8'),
    certFile: at('old.crt'),
  }
}
