import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ClientAuthority, type ClientPair, createClientAuthority } from '../../../test/testkit/client-certs.ts'
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

describe('RELAY_CLIENT_CERT_FILE and RELAY_CLIENT_KEY_FILE', () => {
  let authority: ClientAuthority
  let pair: ClientPair
  beforeAll(() => {
    authority = createClientAuthority()
    pair = authority.issue('bff', 'bff-1')
  })
  afterAll(() => authority.remove())

  const read = (cert?: string, key?: string, RELAY_URLS = 'http://b.example,https://a.example') =>
    readConfig({
      ...env,
      RELAY_URLS,
      ...(cert && { RELAY_CLIENT_CERT_FILE: cert }),
      ...(key && { RELAY_CLIENT_KEY_FILE: key }),
    })

  it('are read, and watched', () => {
    const { clientCertificate, files } = read(pair.certFile, pair.keyFile)
    expect(clientCertificate).toEqual({ cert: pair.cert, key: pair.key })
    expect(files).toEqual([pair.certFile, pair.keyFile])
    expect(read()).toMatchObject({ clientCertificate: undefined, files: [] })
  })

  it('refuse what cannot be used, by name', () => {
    const other = authority.issue('bff', 'bff-2')
    const expired = authority.expired(other)
    expect(() => read(pair.certFile)).toThrow('RELAY_CLIENT_KEY_FILE is missing')
    expect(() => read(undefined, pair.keyFile)).toThrow('RELAY_CLIENT_CERT_FILE is missing')
    expect(() => read('/nowhere/c.crt', pair.keyFile)).toThrow(
      'RELAY_CLIENT_CERT_FILE names /nowhere/c.crt, which cannot be read (ENOENT)',
    )
    expect(() => read(pair.certFile, other.keyFile)).toThrow(
      'RELAY_CLIENT_CERT_FILE and RELAY_CLIENT_KEY_FILE do not hold a certificate in PEM and the key that belongs to it',
    )
    expect(() => read(pair.keyFile, pair.keyFile)).toThrow('do not hold a certificate in PEM')
    expect(() => read(expired.certFile, expired.keyFile)).toThrow(
      /RELAY_CLIENT_CERT_FILE names .*, which expired at 20/,
    )
    expect(() => read(pair.certFile, pair.keyFile, 'http://b.example')).toThrow(
      'RELAY_CLIENT_CERT_FILE is of no use: no address of RELAY_URLS begins with https://',
    )
  })
})
