import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Finished } from './program.ts'

// up.sh, roll.sh and upgrade of both sides with a stand-in for Docker, which notes what it is told and runs `--check` with the
// very environment that compose.yaml gives a container.

const root = fileURLToPath(new URL('../..', import.meta.url))
const SIDES = [
  {
    side: 'overseas',
    service: 'relay',
    good: { OPENAI_API_KEY: 'sk-0123456789abcdef' },
    fault: { MAX_BODY_BYTES: 'much' },
  },
  {
    side: 'domestic',
    service: 'bff',
    good: { RELAY_URLS: 'https://a.example', RELAY_TOKEN: 'relay-token-0123456789' },
    fault: { FERRY_CONFIG: '/etc/ferry/ferry.yaml' },
  },
] as const

describe.each(SIDES)('$side', ({ side, service, good, fault }) => {
  let copy: string
  let commit: string
  const at = (...path: string[]): string => join(copy, ...path)
  const folder = (...path: string[]): string => at('deploy', side, ...path)
  const told = (): string[] => (existsSync(at('told')) ? readFileSync(at('told'), 'utf8').trim().split('\n') : [])

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), `ferry-${side}-`))
    const list = 'git ls-files -zco --exclude-standard deploy | tar --null -cT -'
    execFileSync('bash', ['-c', `${list} | tar -xC '${copy}'`], { cwd: root })
    const git = (...args: string[]): string =>
      execFileSync('git', ['-C', copy, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { encoding: 'utf8' })
    git('init', '-q')
    git('commit', '-q', '--allow-empty', '-m', 'one')
    commit = git('rev-parse', 'HEAD').trim()
    mkdirSync(at('bin'))
    writeFileSync(
      at('bin/docker'),
      `#!/bin/bash
echo "$*" >>${at('told')}
case "$*" in
  'compose build '*) echo "FERRY_COMMIT=$FERRY_COMMIT" >>${at('told')} ;;
  'compose run '*' check') exec ${process.execPath} ${at('check.mjs')} ;;
esac
`,
      { mode: 0o755 },
    )
    writeFileSync(at('check.mjs'), CHECK)
    writeFileSync(at('context.json'), JSON.stringify({ root, folder: folder(), service }))
  })
  afterAll(() => rmSync(copy, { recursive: true, force: true }))
  beforeEach(() => {
    for (const name of ['.env', 'secrets', 'settings.env', 'config'])
      rmSync(folder(name), { recursive: true, force: true })
    rmSync(at('told'), { force: true })
  })

  const fill = (env: Readonly<Record<string, string>>): void =>
    writeFileSync(
      folder('.env'),
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    )
  const run = (script: string, ...args: string[]): Finished => {
    const { status, stdout, stderr } = spawnSync(script, args, {
      encoding: 'utf8',
      env: { PATH: `${at('bin')}:${process.env.PATH}`, CONTEXT: at('context.json') },
    })
    return { status, output: `${stdout}${stderr}` }
  }
  const replaced = (): string[] => told().filter((line) => /compose (up|stop|exec|restart|down)/.test(line))

  it.each(['up.sh', 'roll.sh'])('%s asks the new image first, and replaces once it says yes', (script) => {
    fill(good)
    const { status, output } = run(folder(script))
    expect(status, output).toBe(0)
    const order = told().map((line) => line.split(' ').slice(0, 2).join(' '))
    expect(order.indexOf('compose run')).toBeGreaterThan(order.indexOf('compose build'))
    expect(order.indexOf('compose up')).toBeGreaterThan(order.indexOf('compose run'))
    expect(replaced().length).toBeGreaterThan(0)
  })

  it.each(['up.sh', 'roll.sh'])('%s names what is wrong, and touches nothing that runs', (script) => {
    fill({ ...good, ...fault })
    const { status, output } = run(folder(script))
    expect([status, output]).toEqual([78, expect.stringContaining(Object.keys(fault)[0] ?? '')])
    expect(output).toContain('Nothing was replaced; what runs goes on')
    expect(told()).toContain('compose build --quiet')
    expect(replaced()).toEqual([])
  })

  it('upgrade leaves the side at its version where the new one cannot use the settings', () => {
    fill({ ...good, ...fault, FERRY_VERSION: '1.0.0' })
    const { status, output } = run(at('deploy/scripts/upgrade'), folder(), '1.1.0')
    expect([status, output]).toEqual([1, expect.stringContaining(Object.keys(fault)[0] ?? '')])
    expect(output).toContain(`upgrade: 1.1.0 cannot be used with the settings of ${folder()}, see above; 1.0.0 goes on`)
    expect(readFileSync(folder('.env'), 'utf8')).toMatch(/^FERRY_VERSION=1\.0\.0$/m)
    expect(told().filter((line) => line === 'compose build --quiet')).toHaveLength(1)
    expect(replaced()).toEqual([])
    expect(existsSync(folder('.previous-version'))).toBe(false)
  })

  it('asks what would be started, and touches nothing of it: no network, no port, no name', () => {
    const { services } = parse(readFileSync(folder('compose.yaml'), 'utf8'), { merge: true })
    const { command, profiles, network_mode, restart, depends_on, ...check } = services.check
    expect({ command, profiles, network_mode, restart }).toEqual({
      command: ['dist/main.js', '--check', '--quiet'],
      profiles: ['check'],
      network_mode: 'none',
      restart: 'no',
    })
    expect(depends_on ?? {}).toEqual({})
    const { networks, depends_on: _, restart: __, ...real } = services[`${service}-2`]
    expect(networks).toBeDefined()
    expect(check).toEqual(real)
  })

  it('builds images that know their commit: the checkout’s, or the one that .env names', () => {
    fill(good)
    expect(run(folder('up.sh')).status).toBe(0)
    expect(told()).toContain(`FERRY_COMMIT=${commit}`)
    fill({ ...good, FERRY_COMMIT: 'abcdef0123' })
    expect(run(folder('up.sh')).status).toBe(0)
    expect(told()).toContain('FERRY_COMMIT=abcdef0123')
    const { services } = parse(readFileSync(folder('compose.yaml'), 'utf8'), { merge: true })
    const { image, build } = services[`${service}-1`]
    expect(build.args).toMatchObject({ FERRY_COMMIT: '${FERRY_COMMIT:-}', NPM_REGISTRY: expect.any(String) })
    // Of several services that build one image Compose would make another one each time.
    for (const other of [`${service}-2`, 'check'])
      expect([services[other].image, services[other].build]).toEqual([image, undefined])
    const target = new RegExp(
      `^FROM service AS ${service}\\n(?:(?!^FROM).*\\n)*?ARG FERRY_COMMIT=""\\nENV FERRY_COMMIT=`,
      'm',
    )
    expect(readFileSync(at('deploy/Dockerfile'), 'utf8')).toMatch(target)
  })
})

/** What the container of the service `check` does, on this machine: its files are where the container has them mounted from. */
const CHECK = `import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
const { root, folder, service } = JSON.parse(readFileSync(process.env.CONTEXT, 'utf8'))
const { parse } = createRequire(root + '/package.json')('yaml')
const { services } = parse(readFileSync(folder + '/compose.yaml', 'utf8'), { merge: true })
const settings = [...readFileSync(folder + '/settings.env', 'utf8').matchAll(/^(\\w+)='(.*)'$/gm)].map(([, k, v]) => [k, v])
mkdirSync(folder + '/state', { recursive: true })
const here = (value) =>
  value
    .replaceAll(/\\$\\{[A-Z_]+:\\+[^}]*\\}/g, '')
    .replaceAll(/\\$\\{[A-Z_]+:-([^}]*)\\}/g, '$1')
    .replace('/run/secrets', folder + '/secrets/' + service)
    .replace('/var/lib/ferry', folder + '/state')
    .replace('/etc/ferry', folder + '/config')
const env = Object.fromEntries([...settings, ...Object.entries(services.check.environment)].map(([k, v]) => [k, here(v)]))
const [, ...flags] = services.check.command
const main = root + '/packages/' + service + '/src/main.ts'
const { status } = spawnSync(process.execPath, ['--conditions=ferry-source', main, ...flags], { env: { PATH: process.env.PATH, ...env }, stdio: 'inherit' })
process.exit(status ?? 1)
`
