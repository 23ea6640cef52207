import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bffVariables } from '@llm-ferry/bff'
import { relayVariables } from '@llm-ferry/relay'
import { expect, it } from 'vitest'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, 'deploy', path), 'utf8')

it('has scripts that shellcheck has nothing to say about', () => {
  const scripts = [
    'images/front',
    'images/certificates',
    'images/ferry',
    'lib/stack.sh',
    ...['overseas', 'domestic'].flatMap((side) => [`${side}/up.sh`, `${side}/roll.sh`]),
  ]
  const engine = join(root, 'test/deploy/docker/engine.sh')
  const files = [...scripts.map((script) => join(root, 'deploy', script)), engine]
  const { stdout, status } = spawnSync('shellcheck', ['-x', '-P', 'SCRIPTDIR', ...files], { encoding: 'utf8' })
  expect(stdout).toBe('')
  expect(status).toBe(0)
})

it.each(['llm-ferry-bff@.service', 'llm-ferry-front.service'])('systemd accepts %s', (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-units-'))
  mkdirSync(join(folder, 'units'))
  // What it starts must exist where it is checked.
  const unit = read(`domestic/systemd/${name}`)
    .replaceAll('/opt/llm-proxy/deploy', join(root, 'deploy'))
    .replaceAll('/usr/bin/node', process.execPath)
  const file = join(folder, 'units', name.replace('@', '@1'))
  writeFileSync(file, unit)
  const { status, stdout, stderr, error } = spawnSync(
    'systemd-analyze',
    ['verify', '--man=no', '--recursive-errors=no', file],
    { encoding: 'utf8' },
  )
  rmSync(folder, { recursive: true })
  if (error) throw error
  expect(`${stdout}${stderr}`).not.toContain(name.replace('@', '@1'))
  expect(status).toBe(0)
})

it.each(['overseas', 'domestic'])(
  '%s: each variable of .env.example is used, and each that is used is in it',
  (side) => {
    const compose = read(`${side}/compose.yaml`)
    const scripts = `${read(`${side}/up.sh`)}${read('lib/stack.sh')}`
    const table = side === 'overseas' ? relayVariables : bffVariables
    const offered = [...read(`${side}/.env.example`).matchAll(/^#?([A-Z][A-Z_0-9]+)=/gm)].map(([, name = '']) => name)
    const used = new Set([...compose.matchAll(/\$\{([A-Z_0-9]+)[:?}-]/g)].map(([, name = '']) => name))
    // For tests on one machine alone.
    for (const name of ['FERRY_BIND', 'FERRY_NOFILE']) if (!offered.includes(name)) used.delete(name)
    expect([...used].filter((name) => !offered.includes(name))).toEqual([])
    expect(offered.filter((name) => !used.has(name) && !scripts.includes(name) && !Object.hasOwn(table, name))).toEqual(
      [],
    )
  },
)

it.each(['overseas', 'domestic'])(
  '%s: publishes nginx alone, and waits longer for a stop than a drain takes',
  (side) => {
    const { services } = parse(read(`${side}/compose.yaml`), { merge: true })
    for (const [name, service] of Object.entries<Record<string, unknown>>(services)) {
      expect(service.ports === undefined, name).toBe(name !== 'nginx')
      // `check` looks at the settings once.
      const restart = name === 'check' ? 'no' : 'unless-stopped'
      expect(service, name).toMatchObject({ read_only: true, cap_drop: ['ALL'], restart })
    }
    expect(read(`${side}/compose.yaml`)).toContain('stop_grace_period: ${FERRY_STOP_GRACE:-620s}')
    expect(read(`${side}/compose.yaml`)).toContain('DRAIN_TIMEOUT_MS: ${DRAIN_TIMEOUT_MS:-600000}')
  },
)

it('publishes 80 and 443 overseas, and loopback alone everywhere else', () => {
  const stacks = readdirSync(join(root, 'deploy')).filter((name) =>
    existsSync(join(root, 'deploy', name, 'compose.yaml')),
  )
  expect(stacks).toEqual(expect.arrayContaining(['domestic', 'monitoring', 'overseas']))
  const published = stacks.flatMap((stack) => {
    const { services } = parse(read(`${stack}/compose.yaml`), { merge: true })
    return Object.values<{ ports?: readonly string[] }>(services).flatMap(({ ports = [] }) =>
      ports.map((port) => `${stack} ${port.replaceAll(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1')}`),
    )
  })
  const isLoopback = (port: string): boolean => / 127\.0\.0\.1:/.test(port)
  expect(published.filter((port) => !isLoopback(port))).toEqual(['overseas 80:80', 'overseas 443:443'])
})

it.each(['overseas', 'domestic'])('%s: bounds the log, the memory and the processors of each container', (side) => {
  const { services } = parse(read(`${side}/compose.yaml`), { merge: true })
  for (const [name, { logging, deploy, security_opt: options }] of Object.entries<{
    logging: unknown
    security_opt: unknown
    deploy: { resources: Record<string, unknown> }
  }>(services)) {
    expect(logging, name).toEqual({ driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } })
    expect(options, name).toEqual(['no-new-privileges:true'])
    for (const kind of ['limits', 'reservations'])
      expect(deploy.resources[kind], name).toMatchObject({ cpus: expect.any(String), memory: expect.any(String) })
  }
  for (const name of side === 'overseas' ? ['relay-1', 'relay-2'] : ['bff-1', 'bff-2'])
    expect(services[name].deploy.resources).toEqual({
      limits: { cpus: '1', memory: '2G' },
      reservations: { cpus: '0.5', memory: '1G' },
    })
})

it('says what is missing in .env', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-env-'))
  execFileSync('cp', ['-r', join(root, 'deploy'), folder])
  for (const side of ['overseas', 'domestic']) {
    rmSync(join(folder, 'deploy', side, '.env'), { force: true })
    const { status, stderr } = spawnSync(join(folder, 'deploy', side, 'up.sh'), { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toBe('up.sh: there is no .env here: cp .env.example .env, fill it in, and run this again\n')
  }
  rmSync(folder, { recursive: true })
})

it('gives the benchmark the heap that the image of the relay has', () => {
  const target = readFileSync(join(root, 'test/bench/targets/relay.ts'), 'utf8')
  const [flag] = /(?<=NODE_OPTIONS: ')[^']+/.exec(target) ?? ['']
  expect(readFileSync(join(root, 'deploy/Dockerfile'), 'utf8')).toContain(` NODE_OPTIONS=${flag}\n`)
  expect(flag).not.toBe('')
})
