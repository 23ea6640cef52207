import { describe, expect, it } from 'vitest'
import { readConfig } from '../src/config.ts'

const env = { BFF_KEYS: 'app:0123456789abcdef0123', RELAY_TOKEN: 'token-0123456789' }
const relaysOf = (RELAY_URLS: string): string[][] =>
  readConfig({ ...env, RELAY_URLS }).relayUrls.map((addresses) => addresses.map(({ href }) => href))

describe('RELAY_URLS', () => {
  it('lists relays in order, and the addresses of one host with | between them', () => {
    expect(relaysOf('https://a.example|https://a.example:8443, https://b.example/ferry/')).toEqual([
      ['https://a.example/', 'https://a.example:8443/'],
      ['https://b.example/ferry'],
    ])
  })

  it('refuses an address that is none, wherever it stands', () => {
    expect(() => relaysOf('https://a.example|')).toThrow('RELAY_URLS must be a URL')
    expect(() => relaysOf('https://a.example|ftp://a.example')).toThrow('RELAY_URLS must begin with http')
  })
})
