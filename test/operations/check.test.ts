import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readConfig } from '@llm-ferry/bff'
import { ConfigError, readSettings, runCheck } from '@llm-ferry/kit'
import { readRelayConfig } from '@llm-ferry/relay'
import { afterAll, describe, expect, it } from 'vitest'
import { checkBff } from '../../packages/bff/src/check/index.ts'
import { checkRelay } from '../../packages/relay/src/check/index.ts'
import { ferry } from './ferry.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'check-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function run(service: 'bff' | 'relay', args: readonly string[], env: Record<string, string> = {}) {
  const flags = ['--disable-warning=ExperimentalWarning', '--conditions=ferry-source']
  const argv = [...flags, join(root, `packages/${service}/src/main.ts`), ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...env },
  })
  return { status, stdout, all: stdout + stderr }
}

interface Report {
  readonly ok: boolean
  readonly version: string
  readonly variables: readonly { name: string; value?: string; source: Record<string, unknown> }[]
  readonly fields: readonly { field: string; value: string; line: number }[]
  readonly faults: readonly string[]
  readonly warnings: readonly { text: string; todo: string }[]
}

describe('--check', () => {
  const keys = file('keys', 'tv:canary-in-a-file-0123\n')
  const config = file('ferry.yaml', 'aliases:\n  chat: [openai/gpt-5.4-mini]\n')
  const env = file(
    'bff.env',
    [
      'RELAY_URLS=https://relay.example.com',
      'RELAY_TOKEN=canary-relay-0123456789',
      'PORT=8000',
      'PORT=8081',
      `FERRY_CONFIG=${config}`,
      'RATE_LIMT_RPM=7',
    ].join('\n'),
  )

  it('shows what is in force, and where it comes from', () => {
    const { status, stdout } = run('bff', ['--check', '--json', '--env', env], {
      BFF_KEYS_FILE: keys,
      LOG_LEVEL: 'warn',
    })
    const report = JSON.parse(stdout) as Report
    const of = (name: string) => report.variables.find((row) => row.name === name)
    expect(of('PORT')).toEqual({ name: 'PORT', value: '8081', source: { kind: 'line', path: env, line: 4 } })
    expect(of('BFF_KEYS')).toMatchObject({ value: 'tv:***', source: { kind: 'file', path: keys }, secret: true })
    expect(of('LOG_LEVEL')).toMatchObject({ value: 'warn', source: { kind: 'environment' } })
    expect(of('HOST')).toMatchObject({ value: '0.0.0.0', source: { kind: 'default' } })
    expect(of('METRICS_PORT')).toEqual({ name: 'METRICS_PORT', source: { kind: 'default' } })
    expect(report.fields).toEqual([{ field: 'aliases.chat.0', value: 'openai/gpt-5.4-mini', path: config, line: 2 }])
    expect(report).toMatchObject({ service: 'bff', ok: true, faults: [], node: process.versions.node })
    const warned = report.warnings.map(({ text, todo }) => `${text} → ${todo}`).join('\n')
    expect(warned).toContain(`${env} sets PORT on the lines 3, 4; the last one counts`)
    expect(warned).toContain(`${env}:6 sets RATE_LIMT_RPM, which is no variable of this service → write RATE_LIMIT_RPM`)
    expect(status).toBe(0)
  })

  it('prints it as columns for people, and with --quiet only what is wrong', () => {
    const { stdout } = run('bff', ['--check', '--env', env], { BFF_KEYS_FILE: keys })
    expect(stdout).toMatch(/^bff \d+\.\d+\.\d+/)
    expect(stdout).toMatch(new RegExp(`^PORT +8081 +${env}:4$`, 'm'))
    expect(stdout).toMatch(new RegExp(`^BFF_KEYS +tv:\\*\\*\\* +file ${keys}$`, 'm'))
    expect(stdout).toMatch(/\nbff: the configuration can be used, \d+ warnings\n$/)
    const quiet = run('bff', ['--check', '--quiet', '--env', env], { BFF_KEYS_FILE: keys })
    expect(quiet.stdout).toMatch(/^! /)
    expect(quiet.stdout).not.toContain('LOG_LEVEL')
  })

  it('names all faults at once, and ends with 1', () => {
    const { status, stdout } = run('relay', ['--check', '--quiet'], { PORT: 'x', MAX_BODY_BYTES: '-1' })
    expect(stdout).toMatch(/✗ PORT must be a port[\s\S]*✗ MAX_BODY_BYTES must be[\s\S]*would not start: 2 faults\n$/)
    expect(status).toBe(1)
    const missing = run('relay', ['--check', '--env', join(folder, 'none.env')])
    expect(missing.stdout).toMatch(/✗ .*none\.env cannot be read \(ENOENT\): correct the path/)
    expect(missing.status).toBe(1)
  })

  it('is what decides: who passes starts, who does not refuses with the same sentence', () => {
    const bad = { RELAY_TOKENS: 'bff:short' }
    const sentence = /RELAY_TOKENS has a secret shorter than 16 characters for "bff"/
    expect(run('relay', ['--check'], bad).stdout).toMatch(sentence)
    const started = run('relay', [], bad)
    expect(started.all).toMatch(sentence)
    expect(started.status).toBe(1)
  })

  it('knows its own options', () => {
    expect(run('bff', ['--help']).stdout).toContain('--check')
    const wrong = run('bff', ['--chekc'])
    expect(wrong.all).toMatch(/Unknown option '--chekc'.*bff --help/)
    expect(wrong.status).toBe(1)
  })
})

// Attack: whoever sees a terminal, a log or a ticket with the output reads a key in it.
describe('no secret is in any output', () => {
  const CANARY = 'canary0secret1'
  const secretFile = file('secret', `app:${CANARY}-file-0123456789`)
  const notYaml = file('broken.yaml', `vendors:\n  x: { apiKey: "${CANARY}-yaml"\n   y: ]`)
  const yamlOf = (text: string): string => file(`yaml-${text.length}.yaml`, text)
  const bff = {
    BFF_KEYS: `app:${CANARY}-bff-0123456789`,
    RELAY_URLS: 'https://relay.example.com',
    RELAY_TOKEN: `${CANARY}-relay-0123456789`,
    BFF_ADMIN_TOKEN: `ops:${CANARY}-admin-0123456789`,
    SESSION_SECRET: `${CANARY}-session-0123456,${CANARY}-session-6543210`,
    METRICS_TOKEN: `${CANARY}-metrics`,
    REDIS_URL: `redis://user:${CANARY}%2Fredis@redis.example.com:6379/0`,
    REDIS_CACHE_URL: `rediss+sentinel://:${CANARY}@s1.example.com,s2.example.com/main`,
  }
  const relay = {
    RELAY_TOKENS: `bff:${CANARY}-token-0123456789`,
    OPENAI_API_KEY: `sk-${CANARY}-1,sk-${CANARY}-2`,
    ANTHROPIC_API_KEY: `sk-ant-${CANARY}`,
    HTTPS_PROXY: `http://me:${CANARY}@proxy.example.com:3128`,
    HTTP_PROXY: `http://${CANARY}@proxy.example.com`,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${CANARY}`,
  }
  const cases: readonly (readonly ['bff' | 'relay', string, Record<string, string>])[] = [
    ['bff', 'all is well', bff],
    ['relay', 'all is well', relay],
    ['bff', 'secrets of files', { ...bff, BFF_KEYS: '', BFF_KEYS_FILE: secretFile }],
    [
      'bff',
      'every secret is at fault',
      Object.fromEntries(Object.entries(bff).map(([name, text]) => [name, `${text} é`])),
    ],
    [
      'relay',
      'every secret is at fault',
      Object.fromEntries(Object.entries(relay).map(([name, text]) => [name, `${text} é`])),
    ],
    [
      'bff',
      'secrets in addresses',
      { ...bff, RELAY_URLS: `https://me:${CANARY}@relay.example.com|https://x?key=${CANARY}` },
    ],
    ['bff', 'a secret in an origin', { ...bff, CORS_ORIGINS: `https://${CANARY}@app.example.com` }],
    ['relay', 'a secret in an upstream', { ...relay, OPENAI_UPSTREAM: `https://me:${CANARY}@api.example.com` }],
    [
      'bff',
      'a secret under another name',
      { ...bff, RELAY_URLS: `${CANARY}-relay-0123456789`, PORT: `${CANARY}-x-0123456789` },
    ],
    ['bff', 'a file that is no YAML', { ...bff, FERRY_CONFIG: notYaml }],
    [
      'bff',
      'keys in the file, well and wrongly named',
      {
        ...bff,
        DEEPSEEK: `${CANARY}-deepseek`,
        FERRY_CONFIG: yamlOf(
          `vendors:\n  a: { dialect: openai, origin: "https://u:${CANARY}@a.example", apiKey: "${CANARY}-a" }\n  b: { dialect: openai, origin: "https://b.example", apikey: "${CANARY}-b" }\n  c: { dialect: openai, origin: "https://c.example", apiKey: "\${DEEPSEEK}", version: "${CANARY}" }\nkeys: { app: ${CANARY}-0123456789 }`.replace(
            `, version: "${CANARY}"`,
            '',
          ),
        ),
      },
    ],
    [
      'relay',
      'keys and tokens in the file',
      {
        ...relay,
        RELAY_CONFIG: yamlOf(
          `vendors: { a: { dialect: openai, origin: "https://a.example", keys: ["${CANARY}-a"] } }\ntokens: [{ name: t, token: "${CANARY}-t-0123456789" }]`,
        ),
      },
    ],
  ]

  const outputsOf = (service: 'bff' | 'relay', env: Record<string, string>, files: readonly string[] = []) => {
    const check = service === 'bff' ? checkBff : checkRelay
    const settings = readSettings(env, files)
    const forms = [
      { json: false, quiet: false },
      { json: true, quiet: false },
      { json: false, quiet: true },
    ]
    return forms.map((form) => runCheck(service, check, settings, form))
  }
  /** What a start with these settings prints before it ends; nothing for one that goes on to serve. */
  const refusalOf = (service: 'bff' | 'relay', env: Record<string, string>): readonly string[] => {
    try {
      service === 'bff' ? readConfig(env) : readRelayConfig(env)
      return []
    } catch (error) {
      if (error instanceof ConfigError) return error.faults
      throw error
    }
  }

  it.each(cases)('%s: %s', (service, what, env) => {
    const outputs = outputsOf(service, env)
    const refusal = refusalOf(service, env)
    for (const { text, ok } of outputs) {
      expect(text).not.toContain(CANARY)
      expect(ok).toBe(what === 'all is well' || what === 'secrets of files' || what === 'keys and tokens in the file')
    }
    expect(refusal.join('\n')).not.toContain(CANARY)
    const report = JSON.parse(outputs[1]?.text ?? '') as Report
    expect(report.faults).toHaveLength(refusal.length)
  })

  it('the same settings in a file', () => {
    const path = file(
      'all.env',
      Object.entries({ ...bff, ...relay })
        .map(([name, text]) => `${name}=${text}`)
        .join('\n'),
    )
    chmodSync(path, 0o600)
    for (const service of ['bff', 'relay'] as const) {
      for (const { text, ok } of outputsOf(service, {}, [path])) {
        expect(text).not.toContain(CANARY)
        expect(ok).toBe(true)
      }
    }
  })

  it('warns of the files with them that every user of the machine can read', () => {
    // Made to be open up to the root, which mkdtemp's folders are not.
    chmodSync(folder, 0o755)
    const [path, key] = [
      file('open.env', `RELAY_TOKENS=bff:${CANARY}-token-0123456789`),
      file('open.key', `sk-${CANARY}`),
    ]
    const env = { OPENAI_API_KEY_FILE: key }
    for (const mode of [0o644, 0o600]) {
      chmodSync(path, mode)
      chmodSync(key, mode)
      const [{ text } = { text: '' }] = outputsOf('relay', env, [path])
      for (const name of [path, key])
        expect(text.includes(`${name} holds secrets, and every user of this machine can read it\n  → chmod 600`)).toBe(
          mode === 0o644,
        )
    }
  })
})

describe('ferry config check', () => {
  const bff = file(
    'cli-bff.env',
    'BFF_ADMIN_TOKEN=canary-admin-0123456789\nRELAY_URLS=https://a.example\nRELAY_TOKEN=canary-token-0123456789\n',
  )
  const both = file('cli-both.env', 'RELAY_TOKENS=bff:short\nBFF_KEYS=app:canary-key-0123456789\n')

  it('has the service look that the settings are for, or that is named', async () => {
    const one = await ferry(['config', 'check', '--env', bff])
    expect(one.stdout).toMatch(
      /^bff \d[\s\S]*RELAY_TOKEN +\*\*\* +\S+cli-bff\.env:3\n[\s\S]*bff: the configuration can be used/,
    )
    expect(one).toMatchObject({ code: 0, stderr: '' })
    const two = await ferry(['config', 'check', '--env', both, '--json'])
    const reports = JSON.parse(two.stdout) as (Report & { service: string })[]
    expect(reports.map(({ service, ok }) => `${service} ${ok}`)).toEqual(['bff false', 'relay false'])
    expect(two).toMatchObject({ code: 1, stderr: 'ferry: the configuration cannot be used\n' })
    const named = await ferry(['config', 'check', 'relay', '--quiet', '--dir', root], {
      RELAY_TOKENS: 'bff:relay-token-0123456789',
    })
    expect(named.stdout).toMatch(
      /^! [\s\S]*no vendor has a key[\s\S]*relay: the configuration can be used, \d warnings\n$/,
    )
    for (const { stdout } of [one, two, named]) expect(stdout).not.toContain('canary')
  })

  it('says what to do when there is nothing to check', async () => {
    for (const [args, code, text] of [
      [['config'], 2, /there is ferry config check/],
      [['config', 'check'], 2, /for neither side: name one/],
      [['config', 'check', 'nginx'], 2, /must be bff or relay/],
      [['config', 'check', 'bff', '--dir', folder], 3, /no bff in .*name the checkout/],
    ] as const) {
      const run = await ferry(args)
      expect(run.stderr).toMatch(text)
      expect(run.code).toBe(code)
    }
    expect((await ferry(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})
