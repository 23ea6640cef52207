import { describe, expect, it } from 'vitest'
import { RELAY_ENTRY, startFailing } from '../testkit/services.ts'

const relay = { RELAY_TOKENS: 'app:0123456789abcdef0123', OPENAI_API_KEY: 'sk-x' }
const bff = { BFF_KEYS: 'app:0123456789abcdef0123', RELAY_URLS: 'http://127.0.0.1:1', RELAY_TOKEN: 'token-0123456789' }
const BFF_ENTRY = 'packages/bff/src/main.ts'

describe.each([
  ['relay', RELAY_ENTRY, relay, { RELAY_TOKENS: '' }, 'RELAY_TOKENS'],
  ['relay', RELAY_ENTRY, relay, { OPENAI_UPSTREAM: 'not a url' }, 'OPENAI_UPSTREAM must be a URL'],
  ['relay', RELAY_ENTRY, relay, { LOG_LEVEL: 'loud' }, 'LOG_LEVEL must be one of'],
  ['relay', RELAY_ENTRY, relay, { PORT: '99999' }, 'PORT must be a port'],
  ['relay', RELAY_ENTRY, relay, { RELAY_TOKENS: 'app:short' }, 'shorter than 16'],
  [
    'relay',
    RELAY_ENTRY,
    relay,
    { RELAY_TOKENS: '', RELAY_TOKENS_FILE: '/nowhere/tokens' },
    'RELAY_TOKENS_FILE names /nowhere/tokens',
  ],
  ['bff', BFF_ENTRY, bff, { BFF_KEYS: '' }, 'BFF_KEYS is missing'],
  ['bff', BFF_ENTRY, bff, { RELAY_URLS: '' }, 'RELAY_URLS is missing'],
  ['bff', BFF_ENTRY, bff, { RELAY_URLS: 'relay.example.com' }, 'RELAY_URLS must'],
  ['bff', BFF_ENTRY, bff, { RELAY_TOKEN: '' }, 'RELAY_TOKEN is missing'],
  ['bff', BFF_ENTRY, bff, { REQUEST_TIMEOUT_MS: '1.5' }, 'REQUEST_TIMEOUT_MS must be a whole number of ms'],
  ['bff', BFF_ENTRY, bff, { REQUEST_TIMEOUT_MS: '900000' }, 'REQUEST_TIMEOUT_MS is longer than MAX_REQUEST_TIMEOUT_MS'],
  ['bff', BFF_ENTRY, bff, { FERRY_CONFIG: '/nowhere.yaml' }, 'FERRY_CONFIG names /nowhere.yaml'],
])('the %s refuses to start', (name, entry, good, bad, sentence) => {
  it(`and says: ${sentence}`, async () => {
    const { code, log } = await startFailing(entry, { ...good, ...bad } as Record<string, string>)
    expect(code).not.toBe(0)
    expect(log).toContain(`${name}: `)
    expect(log).toContain(sentence)
    expect(log).not.toContain('    at ')
  })
})
