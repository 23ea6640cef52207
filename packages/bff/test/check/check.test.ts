import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readSettings } from '@llm-ferry/kit'
import { afterAll, describe, expect, it } from 'vitest'
import { checkBff } from '../../src/check/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'bff-check-'))
afterAll(() => rmSync(folder, { recursive: true }))

let count = 0
function yaml(text: string): string {
  const path = join(folder, `ferry-${++count}.yaml`)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

/** An environment without fault or warning. */
const GOOD = {
  BFF_KEYS: 'app:0123456789abcdef0123',
  RELAY_URLS: 'https://relay.example.com',
  RELAY_TOKEN: 'relay-token-0123456789',
  REDIS_URL: 'redis://redis:6379/0',
  METRICS_PORT: '9091',
  SPOOL_DIR: join(folder, 'spool'),
}
const look = (env: NodeJS.ProcessEnv) => checkBff(readSettings({ ...GOOD, ...env }, []))
const fileFaults = (text: string): string => look({ FERRY_CONFIG: yaml(text) }).faults.join('\n')
const warnings = (env: NodeJS.ProcessEnv): string =>
  look(env)
    .warnings.map(({ text, todo }) => `${text} → ${todo}`)
    .join('\n')
const fileWarnings = (text: string): string => warnings({ FERRY_CONFIG: yaml(text) })

describe('a configuration that is good', () => {
  it('has neither fault nor warning', () => {
    const FERRY_CONFIG = yaml(
      'aliases: { chat: [openai/gpt-5.4-mini, anthropic/claude-haiku-4-5] }\nkeys: { app: { limits: { usdPerDay: 5 } } }',
    )
    expect(look({ FERRY_CONFIG })).toMatchObject({ faults: [], warnings: [] })
  })
})

describe('faults of the file', () => {
  it('are all named at once, with their lines, fields and what was probably meant', () => {
    const found = fileFaults(`
vendors:
  deepseek: { dialect: openai, orgin: "https://api.deepseek.com", apiKey: "\${NOPE}" }
models:
  openai/gpt-x: { timeoutMs: soon }
aliases:
  smart: [openai/gpt, nobody]
  other: { targets: [openai/a, openai/b], fallbackOn: [slow] }
  deep: { target: [openai/a] }
prices:
  openai/gpt-x: { input: -1 }
keys:
  app: { limits: { tokenPerDay: 3 }, ips: [x], cache: maybe }
`)
    for (const sentence of [
      /:3: vendors\.deepseek\.apiKey refers to \$\{NOPE\}/,
      /:3: vendors\.deepseek has a field "orgin" that is not known: did you mean origin\?/,
      /:5: models\.openai\/gpt-x\.timeoutMs must be a number/,
      /:7: aliases\.smart\.targets\.1 must be vendor\/model/,
      /:8: aliases\.other\.fallbackOn\.0 must be one of slow_first_token, refusal/,
      /:9: aliases\.deep has a field "target" that is not known: did you mean targets\?/,
      /:11: prices\.openai\/gpt-x\.input must be at least 0/,
      /:11: prices\.openai\/gpt-x\.output is missing/,
      /:13: keys\.app\.limits has a field "tokenPerDay" that is not known: did you mean tokensPerDay\?/,
      /:13: keys\.app\.ips\.0 must be an address/,
      /:13: keys\.app\.cache must be false, or must be an object/,
    ])
      expect(found).toMatch(sentence)
  })

  it('name the vendor that was probably meant', () => {
    expect(fileFaults('aliases: { smart: [openia/gpt-5.5] }')).toMatch(
      /:1: aliases\.smart\.0 names the vendor "openia".* did you mean openai\?/,
    )
  })

  it('name an alias that leads to an alias, so that none leads to itself', () => {
    expect(fileFaults('aliases: { a: [b], b: [a] }')).toMatch(/aliases\.a.*must be vendor\/model[\s\S]*aliases\.b/)
  })

  it('name rules for a key that nobody has', () => {
    expect(fileFaults('keys: { tv: { native: full } }')).toContain('keys.tv is no key of BFF_KEYS')
  })

  it('name a line that is no YAML, and quote nothing of it', () => {
    const found = fileFaults('vendors:\n  x: { apiKey: canary-0123456789\nlimits: 1')
    expect(found).toMatch(/ferry-\d+\.yaml:\d: is not YAML from column \d+ on/)
    expect(found).not.toContain('canary')
  })
})

describe('faults of the surroundings', () => {
  it('are a folder that cannot be written, and a port that two want', () => {
    writeFileSync(join(folder, 'file'), '')
    const { faults } = look({
      LEDGER_FILE: '/proc/ledger.jsonl',
      ADMIN_PORT: '9091',
      BFF_ADMIN_TOKEN: 'admin-0123456789ab',
    })
    expect(faults.join('\n')).toContain('ADMIN_PORT is 9091, which METRICS_PORT has already')
    if (process.getuid?.() !== 0) expect(faults.join('\n')).toContain('LEDGER_FILE: /proc cannot be written')
  })
})

describe('a warning is given, with what to do', () => {
  it.each([
    [{ ADMIN_PORT: '8082' }, /ADMIN_PORT is set without BFF_ADMIN_TOKEN.*→ set BFF_ADMIN_TOKEN/],
    [{ METRICS_PORT: '' }, /there are no metrics → set METRICS_PORT/],
    [{ TRUSTED_PROXIES: '0.0.0.0/0' }, /trusts everybody.*→ name the proxies/],
    [{ RELAY_URLS: 'http://relay.example.com' }, /http:\/\/relay\.example\.com without TLS.*→ write https/],
    [{ RELAY_URLS: 'http://203.0.113.9' }, /203\.0\.113\.9 without TLS/],
    [{ RELAY_URLS: 'https://a.example,https://a.example/' }, /has https:\/\/a\.example\/ twice → keep one/],
    [{ REDIS_URL: '' }, /each BFF process counts limits for itself.*→ set REDIS_URL/],
    [{ REDIS_CACHE_URL: 'redis://redis:6379/1' }, /REDIS_CACHE_URL is the Redis of REDIS_URL.*→ give the cache/],
    [
      { REDIS_URL: 'redis://:canary-password@redis.example.com' },
      /redis:\/\/:\*\*\*@redis\.example\.com:6379\/0 without TLS/,
    ],
    [{ CORS_ORIGINS: 'http://app.example.cn' }, /CORS_ORIGINS lets http:\/\/app\.example\.cn in.*→ serve/],
  ])('%j', (env, text) => {
    expect(warnings(env)).toMatch(text)
    expect(warnings(env)).not.toContain('canary')
  })

  it('about keys that are bound to addresses behind a proxy that is not named', () => {
    const FERRY_CONFIG = yaml('keys: { app: { ips: [10.0.0.0/8] } }')
    expect(warnings({ FERRY_CONFIG, HOST: '127.0.0.1' })).toMatch(/app may be used from some.*TRUSTED_PROXIES=127/)
    expect(warnings({ FERRY_CONFIG, HOST: '127.0.0.1', TRUSTED_PROXIES: '127.0.0.1' })).toBe('')
  })

  it.each([
    ['aliases: { a: [openai/x, openai/x] }', /aliases\.a has openai\/x twice/],
    ['aliases: { openai/gpt-5.5: [openai/gpt-5.4] }', /aliases\.openai\/gpt-5\.5 takes the place of the model/],
    ['prices: { nobody/x: { input: 1, output: 2 } }', /prices\.nobody\/x is of a vendor that is not/],
    ['prices: { openai/x: { input: 1, output: 2, cachedInput: 3 } }', /cachedInput is more than input/],
    ['prices: { openai/x: { input: 250000, output: 2 } }', /above 1000 dollars/],
    [
      'limits: { usdPerDay: 3 }\naliases: { a: [openai/unheard-of] }',
      /price of openai\/unheard-of is not known, and limits limits money.*→ add prices\.openai\/unheard-of/,
    ],
    ['keys: { app: { expiresAt: 2024-01-01T00:00:00Z } }', /keys\.app has expired/],
    [
      'keys: { app: { limits: { requestsPerDay: 50, keyRequestsPerDay: 10 } } }',
      /one end user make 50 requests a day, and the whole key 10/,
    ],
    ['models: { openai/x: { timeoutMs: 900000 } }', /timeoutMs is 900000, above MAX_REQUEST_TIMEOUT_MS/],
  ])('%s', (text, sentence) => {
    expect(fileWarnings(text)).toMatch(sentence)
  })

  it('not for private networks and this machine', () => {
    for (const host of ['127.0.0.1', 'localhost', 'relay', '10.1.2.3', '[fd00::1]', 'relay.ferry.svc.cluster.local'])
      expect(warnings({ RELAY_URLS: `http://${host}:3000` }), host).toBe('')
  })
})
