import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
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
  ['bff', BFF_ENTRY, bff, { RELAY_TOKEN: 'short' }, 'RELAY_TOKEN is shorter than 16 characters'],
  ['bff', BFF_ENTRY, bff, { RELAY_TOKEN: 'токен-0123456789-01234' }, 'RELAY_TOKEN has characters that HTTP headers'],
  ['bff', BFF_ENTRY, bff, { RELAY_TOKEN: 'app:0123456789abcdef' }, 'RELAY_TOKEN looks like name:token'],
  ['bff', BFF_ENTRY, bff, { HOST: 'nowhere.invalid' }, 'HOST nowhere.invalid cannot be resolved'],
  ['relay', RELAY_ENTRY, relay, { HOST: 'nowhere.invalid' }, 'HOST nowhere.invalid cannot be resolved'],
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

it('the bff names all its faults at once, and no value of a secret', async () => {
  const { log } = await startFailing(BFF_ENTRY, {
    BFF_KEYS: '',
    RELAY_URLS: 'http://127.0.0.1:1',
    PORT: '99999',
    REQUEST_TIMEOUT_MS: '900000',
  })
  expect(log.split('\n').filter((line) => line.startsWith('bff: '))).toEqual([
    expect.stringContaining('PORT must be a port'),
    expect.stringContaining('BFF_KEYS is missing'),
    expect.stringContaining('RELAY_TOKEN is missing'),
    expect.stringContaining('REQUEST_TIMEOUT_MS is longer than'),
  ])
})

it('the bff names both what is missing and what is wrong of its relay and file', async () => {
  const { log } = await startFailing(BFF_ENTRY, { BFF_KEYS: bff.BFF_KEYS, RELAY_URLS: '', LOG_LEVEL: 'loud' })
  for (const fault of ['LOG_LEVEL must be', 'RELAY_URLS is missing', 'RELAY_TOKEN is missing'])
    expect(log).toContain(fault)
  const secret = 'app:0123456789-not-to-be-seen'
  const other = await startFailing(BFF_ENTRY, { ...bff, RELAY_TOKEN: secret, FERRY_CONFIG: '/nowhere.yaml' })
  for (const fault of ['RELAY_TOKEN looks like', 'FERRY_CONFIG names']) expect(other.log).toContain(fault)
  expect(other.log).not.toContain('not-to-be-seen')
  expect(other.log).not.toContain('RELAY_TOKEN is missing')
})

it.each([
  ['relay', RELAY_ENTRY, relay],
  ['bff', BFF_ENTRY, bff],
])('the %s names METRICS_PORT when that port is in use', async (_name, entry, env) => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  try {
    const { port } = blocker.address() as AddressInfo
    const { log } = await startFailing(entry, { ...env, METRICS_PORT: String(port) })
    expect(log).toContain(`port ${port} is in use`)
    expect(log).toContain('set METRICS_PORT to another')
  } finally {
    blocker.close()
  }
})
