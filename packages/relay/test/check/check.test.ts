import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readSettings } from '@llm-ferry/kit'
import { afterAll, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../../../../test/testkit/certs.ts'
import { checkRelay } from '../../src/check/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'relay-check-'))
const [certificates, others]: readonly Certificates[] = [createCertificates(), createCertificates()]
afterAll(() => {
  rmSync(folder, { recursive: true })
  certificates?.remove()
  others?.remove()
})

let count = 0
function file(text: string, mode = 0o600): string {
  const path = join(folder, `file-${++count}.yaml`)
  writeFileSync(path, text, { mode })
  return path
}

const GOOD = {
  RELAY_TOKENS: 'bff:token-0123456789abcdef',
  OPENAI_API_KEY: 'sk-openai-0123',
  HOST: '127.0.0.1',
  EXCHANGE_MARKERS_DIR: join(folder, 'markers'),
  EXCHANGES_MAX_BYTES: '50000000',
}
const look = (env: NodeJS.ProcessEnv) => checkRelay(readSettings({ ...GOOD, ...env }, []))
const warnings = (env: NodeJS.ProcessEnv): string =>
  look(env)
    .warnings.map(({ text, todo }) => `${text} → ${todo}`)
    .join('\n')

describe('a relay’s configuration', () => {
  it('has neither fault nor warning when it is good', () => {
    expect(look({})).toMatchObject({ faults: [], warnings: [] })
  })

  it('has all its faults named at once', () => {
    const RELAY_CONFIG = file(`
vendors:
  azure: { dialect: openai, origin: ftp://a, keys_file: /nowhere/keys }
  local: { dialect: openai, origin: "http://127.0.0.1:8000", key_env: A }
tokens:
  - { name: a, token: short }
`)
    const found = look({ RELAY_CONFIG, PORT: 'x', TLS_CERT_FILE: '/nowhere/cert.pem' }).faults.join('\n')
    for (const sentence of [
      /PORT must be a port/,
      /:4: vendors\.local has a field "key_env" that is not known: did you mean keys_env\?/,
      /:6: tokens\.0\.token must be at least 16/,
      /TLS_KEY_FILE is missing/,
    ])
      expect(found).toMatch(sentence)
    const entries = look({
      RELAY_CONFIG: file('vendors: { azure: { dialect: openai, origin: "ftp://a", keys_file: /nowhere/keys } }'),
    }).faults.join('\n')
    expect(entries).toMatch(/:1: vendors\.azure\.origin must begin with/)
    expect(entries).toMatch(/:1: vendors\.azure\.keys_file names \/nowhere\/keys, which cannot be read \(ENOENT\)/)
  })

  it('needs a certificate and the key that belongs to it', () => {
    const pair = { TLS_CERT_FILE: certificates?.certFile, TLS_KEY_FILE: others?.keyFile }
    expect(look(pair).faults.join()).toMatch(/do not hold a certificate in PEM and the key that belongs to it/)
  })

  it('needs a port for each thing that listens', () => {
    expect(look({ PORT: '9089', RELAY_WORKERS: '2' }).faults.join()).toMatch(/METRICS_PORT is 9090, which PORT and/)
  })
})

describe('a warning is given, with what to do', () => {
  it.each([
    [{ HOST: '0.0.0.0' }, /without TLS, and no proxy in front is named → name the proxy/],
    [{ TRUSTED_PROXIES: '0.0.0.0/0' }, /trusts everybody/],
    [{ RELAY_ALLOWED_IPS: '203.0.113.0/24' }, /refuses everybody.*TRUSTED_PROXIES=127/],
    [{ OPENAI_API_KEY: '' }, /no vendor has a key: every call gets 503 → set OPENAI_API_KEY/],
    [{ OPENAI_UPSTREAM: 'http://api.example.com' }, /openai is reached at http:\/\/api\.example\.com without TLS/],
    [{ OPENAI_API_KEY: 'sk-canary,sk-canary' }, /a key of openai is in its pool twice/],
    [{ EXCHANGES_MAX_BYTES: '99999999999999' }, /of 1 workers allow \d+\.\d GiB, and there are/],
  ])('%j', (env, text) => {
    expect(warnings(env)).toMatch(text)
    expect(warnings(env)).not.toContain('canary')
  })

  it('about a certificate that ends soon', () => {
    expect(warnings({ TLS_CERT_FILE: certificates?.certFile, TLS_KEY_FILE: certificates?.keyFile })).toMatch(
      /ends in \d\.\d days → renew it/,
    )
  })

  it('about tokens that serve nobody', () => {
    const RELAY_CONFIG = file(`tokens:
  - { name: old, token: long-enough-0123456789, expires_at: 2024-01-01T00:00:00Z }
  - { name: idle, token: long-enough-9876543210, vendors: [gemini] }
`)
    expect(warnings({ RELAY_CONFIG })).toMatch(/"old" has expired[\s\S]*"idle" may call vendors alone that have no key/)
  })
})
