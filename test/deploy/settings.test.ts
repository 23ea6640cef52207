import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bffVariables, readConfig } from '@llm-ferry/bff'
import type { Variable, Variables } from '@llm-ferry/kit'
import { readRelayConfig, relayVariables } from '@llm-ferry/relay'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'

// What an operator writes into .env reaches the services: settings as settings, secrets as files alone.

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Side {
  readonly side: 'overseas' | 'domestic'
  readonly service: 'relay' | 'bff'
  readonly table: Variables
  readonly read: (env: NodeJS.ProcessEnv) => unknown
}
const SIDES: readonly Side[] = [
  { side: 'overseas', service: 'relay', table: relayVariables, read: readRelayConfig },
  { side: 'domestic', service: 'bff', table: bffVariables, read: readConfig },
]
/** What the stack itself decides, whatever .env says: addresses, folders, how many processes a container has. */
const FIXED: readonly string[] = [
  ...['HOST', 'PORT', 'METRICS_PORT', 'TRUSTED_PROXIES'],
  ...['RELAY_WORKERS', 'TLS_CERT_FILE', 'TLS_KEY_FILE', 'EXCHANGE_MARKERS_DIR'],
  ...['ADMIN_PORT', 'SPOOL_DIR', 'LEDGER_FILE'],
]
const SAMPLES: Readonly<Record<string, string>> = {
  RELAY_TOKENS: 'bff:relay-token-0123456789',
  OTEL_EXPORTER_OTLP_HEADERS: 'authorization=otlp-secret-0123456789',
  HTTPS_PROXY: 'http://user:proxy-secret-0123456789@proxy:3128',
  HTTP_PROXY: 'http://user:proxy-secret-0123456789@proxy:3128',
  BFF_KEYS: 'app:bff-key-0123456789-abcdef',
  REDIS_URL: 'redis://:redis-secret-0123456789@10.0.0.1:6379/0',
  REDIS_CACHE_URL: 'redis://:redis-secret-0123456789@10.0.0.2:6379/0',
  RELAY_URLS: 'https://a.example|https://a.example:8443,https://b.example',
  RELAY_ALLOWED_IPS: '10.0.0.0/8',
  CORS_ORIGINS: 'https://app.example.cn',
  PUBLIC_URL: 'https://a.example',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
  NO_PROXY: 'localhost,$HOME "x"',
  NODE_ENV: 'production',
  LINK_COMPRESSION: 'requests,answers',
}
/** Files that an operator would put into config/. */
const isFile = (name: string): boolean => name.endsWith('_FILE') || name === 'FERRY_CONFIG' || name === 'RELAY_CONFIG'

const sampleOf = (name: string, { secret, default: usual }: Variable<unknown>): string =>
  SAMPLES[name] ?? (secret ? `${name.toLowerCase()}-0123456789abcdef` : String(usual ?? '7'))

describe.each(SIDES)('$side', ({ side, service, table, read }) => {
  const entries = Object.entries<Variable<unknown>>(table)
  const secrets = entries.filter(([, { secret }]) => secret).map(([name]) => name)
  const settings = entries.filter(([name, { secret }]) => !secret && !FIXED.includes(name) && !isFile(name))
  let copy: string
  let folder: string
  const at = (path: string): string => join(folder, path)

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'ferry-settings-'))
    execFileSync('bash', ['-c', `git ls-files -zco --exclude-standard deploy | tar --null -cT - | tar -xC '${copy}'`], {
      cwd: root,
    })
    folder = join(copy, 'deploy', side)
    mkdirSync(join(copy, 'bin'))
    // up.sh asks whether there is a Docker; nothing here needs one.
    writeFileSync(join(copy, 'bin/docker'), '#!/bin/sh\n')
    chmodSync(join(copy, 'bin/docker'), 0o755)
  })
  afterAll(() => rmSync(copy, { recursive: true }))

  const upSecrets = (env: Readonly<Record<string, string>>, more = ''): { status: number | null; stderr: string } => {
    const lines = Object.entries(env).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(at('.env'), lines.join('') + more)
    const { status, stderr } = spawnSync(at('up.sh'), ['secrets'], {
      encoding: 'utf8',
      env: { PATH: `${join(copy, 'bin')}:${process.env.PATH}` },
    })
    return { status, stderr }
  }
  const written = (): Record<string, string> =>
    Object.fromEntries(
      [...readFileSync(at('settings.env'), 'utf8').matchAll(/^(\w+)='(.*)'$/gm)].map(([, name = '', value = '']) => [
        name,
        value,
      ]),
    )
  const inCompose = (): Record<string, string> => {
    const { services } = parse(readFileSync(at('compose.yaml'), 'utf8'), { merge: true })
    const { environment, env_file: files } = services[`${service}-1`]
    expect(files).toEqual(['./settings.env'])
    return environment
  }
  /** What a container would have in its environment, with the secrets where they are on this machine. */
  const environment = (): NodeJS.ProcessEnv =>
    Object.fromEntries(
      Object.entries({ ...written(), ...inCompose() }).map(([name, value]) => [
        name,
        value
          .replace('/run/secrets', at(`secrets/${service}`))
          .replaceAll(/\$\{[A-Z_]+:\+[^}]*\}/g, '')
          .replaceAll(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1'),
      ]),
    )

  it.runIf(side === 'domestic')(
    'keeps a certificate that was restored where the files that it came from are not',
    () => {
      const needed = { RELAY_URLS: 'https://a.example', RELAY_TOKEN: 't' }
      const pair = { RELAY_CLIENT_CERT_FILE: at('bff.crt'), RELAY_CLIENT_KEY_FILE: at('bff.key') }
      for (const path of Object.values(pair)) writeFileSync(path, `once ${path}`)
      expect(upSecrets({ ...needed, ...pair }).status).toBe(0)
      for (const path of Object.values(pair)) rmSync(path)
      expect(upSecrets({ ...needed, ...pair }).status).toBe(0)
      expect(readFileSync(at('secrets/bff/relay_client.key'), 'utf8')).toBe(`once ${at('bff.key')}`)
      rmSync(at('secrets/bff/relay_client.key'))
      expect(upSecrets({ ...needed, ...pair })).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/RELAY_CLIENT_KEY_FILE=/),
      })
      rmSync(at('secrets'), { recursive: true })
    },
  )

  it.each([
    ['a comment behind the value', 'ODD_TOKEN=canary-0123 # of production'],
    ['a comment behind quotes', 'ODD_TOKEN="canary-0123" # of production'],
    ['blanks beside the =', 'ODD_TOKEN = canary-0123'],
    ['a blank behind the =', 'ODD_TOKEN= canary-0123'],
    ['a blank before the name', '  ODD_TOKEN=canary-0123'],
    ['export', 'export ODD_TOKEN=canary-0123'],
  ])('refuses a line that Compose would read in another way: %s', (_, line) => {
    const { status, stderr } = upSecrets({}, line)
    expect([status, stderr]).toEqual([1, expect.stringMatching(/\.env, line \d+: write it as NAME=value/)])
    expect(stderr).not.toContain('canary')
  })

  it('takes each secret from a file', () => {
    for (const name of secrets)
      expect(inCompose(), name).toHaveProperty(`${name}_FILE`, `/run/secrets/${name.toLowerCase()}`)
    expect(Object.keys(inCompose()).filter((name) => secrets.includes(name))).toEqual([])
  })

  it('passes every setting on, and every secret as a file', () => {
    const env = Object.fromEntries(entries.map(([name, variable]) => [name, sampleOf(name, variable)]))
    for (const name of [...FIXED, ...entries.map(([name]) => name).filter(isFile)]) delete env[name]
    expect(upSecrets({ ...env, OTHER_VENDOR_API_KEY: 'sk-other-0123456789abcdef' })).toEqual({ status: 0, stderr: '' })
    const text = readFileSync(at('settings.env'), 'utf8')
    for (const name of secrets) {
      expect(text, name).not.toContain(`${name}=`)
      expect(readFileSync(at(`secrets/${service}/${name.toLowerCase()}`), 'utf8'), name).toBe(env[name])
    }
    for (const [name] of settings) expect(written(), name).toHaveProperty(name, env[name])
    expect(text).not.toContain('sk-other')
    expect(written()).toMatchObject({ OTHER_VENDOR_API_KEY_FILE: '/run/secrets/other_vendor_api_key' })
    expect(() => read(environment())).not.toThrow()
  })

  it('keeps what is fixed from .env', () => {
    const fixed = FIXED.filter((name) => Object.hasOwn(table, name))
    for (const name of fixed) expect(inCompose(), name).toHaveProperty(name)
  })

  it('makes the secrets that it can, once, and lets nobody else read them', () => {
    for (const name of ['secrets', 'settings.env']) rmSync(at(name), { recursive: true, force: true })
    const least =
      side === 'overseas'
        ? { OPENAI_API_KEY: 'sk-0123456789abcdef' }
        : { RELAY_URLS: 'https://a.example', RELAY_TOKEN: 'relay-token-0123456789' }
    const all = (): readonly string[] =>
      readdirSync(at('secrets'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => `${name}:${readFileSync(join(parentPath, name), 'utf8')}`)
    expect(upSecrets(least).status).toBe(0)
    const first = all()
    for (const name of side === 'overseas'
      ? ['relay_tokens']
      : ['bff_keys', 'bff_admin_token', 'session_secret', 'password'])
      expect(
        first.some((file) => new RegExp(`^${name}:([a-z]+:)?[0-9a-f]{48}$`).test(file)),
        name,
      ).toBe(true)
    expect(upSecrets(least).status).toBe(0)
    expect(all()).toEqual(first)
    expect(() => read(environment())).not.toThrow()
    const mode = (path: string): string => (statSync(at(path)).mode & 0o777).toString(8)
    // The containers' own users must read what is in the folder, which others of this host cannot pass.
    expect([mode('.env'), mode('settings.env'), mode('secrets')]).toEqual(['600', '600', '700'])
  })

  it('refuses a value that Docker would read differently', () => {
    expect(upSecrets({ OPENAI_API_KEY: 'sk', RELAY_URLS: 'x', RELAY_TOKEN: 't', NO_PROXY: "a'b" }).stderr).toContain(
      "NO_PROXY in .env has a ' in it",
    )
  })
})

it('shows each of the BFF’s secrets to its systemd unit', () => {
  const unit = readFileSync(join(root, 'deploy/domestic/systemd/llm-ferry-bff@.service'), 'utf8')
  for (const [name, { secret }] of Object.entries<Variable<unknown>>(bffVariables)) {
    if (!secret) continue
    const file = name.toLowerCase()
    expect(unit).toContain(`\nLoadCredential=${file}:/etc/ferry/secrets/${file}\n`)
    expect(unit).toContain(`\nEnvironment=${name}_FILE=/run/credentials/%n/${file}\n`)
  }
})
