import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '@llm-ferry/kit'
import { describe, expect, it } from 'vitest'
import { readRelayConfig, relayVariables } from '../src/config.ts'

const TOKENS = 'app:token-0123456789abcdef'
const directory = mkdtempSync(join(tmpdir(), 'relay-config-'))
const file = (name: string, text: string): string => {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}
const faults = (env: NodeJS.ProcessEnv): readonly string[] => {
  try {
    readRelayConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}
const yaml = (text: string): NodeJS.ProcessEnv => ({ RELAY_TOKENS: TOKENS, RELAY_CONFIG: file('relay.yaml', text) })

describe('readRelayConfig', () => {
  it('needs nothing but a token', () => {
    const { port, timeouts, limits, vendors } = readRelayConfig({ RELAY_TOKENS: TOKENS })
    expect(port).toBe(3000)
    expect(timeouts).toMatchObject({
      requestMs: 60_000,
      maxRequestMs: 600_000,
      streamIdleMs: 300_000,
      drainMs: 600_000,
    })
    expect(timeouts.keepAliveMs).toBeGreaterThan(75_000)
    expect(limits).toEqual({ maxBodyBytes: 10_485_760, maxBufferedBytes: 268_435_456, maxUploadBytes: 536_870_912 })
    expect(vendors.map(({ name, origin }) => `${name} ${origin.origin}`)).toEqual([
      'openai https://api.openai.com',
      'anthropic https://api.anthropic.com',
      'gemini https://generativelanguage.googleapis.com',
    ])
  })

  it('refuses to start without a token', () => {
    expect(faults({})).toEqual([expect.stringMatching(/^RELAY_TOKENS is missing: /)])
  })

  it('names every variable at fault', () => {
    const text = faults({
      RELAY_TOKENS: 'app:short',
      PORT: 'x',
      MAX_BODY_BYTES: '-1',
      OPENAI_UPSTREAM: 'api.openai.com',
      RELAY_ALLOWED_IPS: '10.0.0.0/33',
      REQUEST_TIMEOUT_MS: '1s',
      LOG_LEVEL: 'loud',
    }).join('\n')
    for (const name of [
      'RELAY_TOKENS',
      'PORT',
      'MAX_BODY_BYTES',
      'OPENAI_UPSTREAM',
      'RELAY_ALLOWED_IPS',
      'LOG_LEVEL',
    ]) {
      expect(text).toContain(name)
    }
    expect(text).not.toContain('short"')
  })

  it('checks that values fit together', () => {
    const env = { RELAY_TOKENS: TOKENS, REQUEST_TIMEOUT_MS: '700000', MAX_BODY_BYTES: '300000000' }
    expect(faults(env)).toEqual([
      expect.stringContaining('MAX_REQUEST_TIMEOUT_MS'),
      expect.stringContaining('MAX_BUFFERED_BYTES'),
    ])
  })

  it('reads secrets from files and remembers the files', () => {
    const path = file('tokens', `${TOKENS}\n`)
    const { tokens, files } = readRelayConfig({ RELAY_TOKENS_FILE: path })
    expect(tokens).toEqual([{ name: 'app', token: 'token-0123456789abcdef' }])
    expect(files).toEqual([path])
  })

  it('documents every variable', () => {
    for (const [name, { doc }] of Object.entries(relayVariables)) expect(doc.length, name).toBeGreaterThan(15)
  })
})

describe('RELAY_CONFIG', () => {
  it('adds vendors and tokens', () => {
    const { vendors, tokens } = readRelayConfig({
      ...yaml(`
vendors:
  azure:
    dialect: openai
    origin: https://me.openai.azure.com/openai
    auth: { header: api-key }
    keys_env: AZURE_KEYS
  local:
    dialect: openai
    origin: http://127.0.0.1:8000
    version: ''
    keys: [none]
tokens:
  - name: voice
    token: another-token-0123456789
    vendors: [azure]
    requests_per_minute: 60
    expires_at: 2027-01-01T00:00:00Z
    sticky: true
`),
      AZURE_KEYS: 'k1, k2',
    })
    expect(vendors[3]).toMatchObject({
      name: 'azure',
      version: 'v1',
      key: { header: 'api-key', prefix: '' },
      keys: ['k1', 'k2'],
    })
    expect(vendors[3]?.origin.pathname).toBe('/openai')
    expect(vendors[4]).toMatchObject({ name: 'local', version: '', keys: ['none'] })
    expect(tokens[1]).toMatchObject({ name: 'voice', vendors: ['azure'], requestsPerMinute: 60, sticky: true })
    expect(tokens[1]?.expiresAt).toBe(Date.UTC(2027, 0, 1))
  })

  it.each([
    ['vendors: { x: { dialect: cohere, origin: "https://a" } }', /vendors\.x\.dialect/],
    ['vendors: { x: { dialect: openai } }', /vendors\.x\.origin/],
    ['vendors: { x: { dialect: openai, origin: "ftp://a" } }', /vendors\.x\.origin must begin with/],
    ['vendors: { x: { dialect: openai, origin: "https://a", colour: red } }', /vendors\.x/],
    ['vendors: { openai: { dialect: openai, origin: "https://a" } }', /"openai" is used twice/],
    ['tokens: [{ name: a }]', /tokens\.0 needs exactly one of/],
    ['tokens: [{ name: a, token: short }]', /tokens\.0\.token/],
    ['tokens: [{ name: b, token: long-enough-0123456789, vendors: [nobody] }]', /"b" may call "nobody"/],
    ['tokens: [{ name: b, token: long-enough-0123456789, expires_at: tomorrow }]', /tokens\.0\.expires_at/],
    ['tokens: [{ name: b, token_file: /does/not/exist }]', /ENOENT/],
    ['a: [', /is not YAML/],
  ])('refuses %s', (text, fault) => {
    expect(faults(yaml(text)).join('\n')).toMatch(fault)
  })
})
