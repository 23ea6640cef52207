import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { readRelayConfig } from '../src/config.ts'
import { linkBack } from '../src/link-back.ts'
import type { Vendor } from '../src/vendor.ts'

const vendor = { name: 'gemini', origin: new URL('https://vendor.example/base'), prefix: '/base' } as Vendor
const URL_OF_VENDOR = 'https://vendor.example/base/upload/v1beta/files?upload_id=A%20B'

function link(
  url: string,
  headers: Record<string, string> = {},
  env: NodeJS.ProcessEnv = {},
  remoteAddress = '10.0.0.1',
) {
  const request = { headers: { host: 'relay.example', ...headers }, socket: { remoteAddress } } as IncomingMessage
  const config = readRelayConfig({ RELAY_TOKENS: 'a:0123456789abcdef', ...env })
  return linkBack(url, request, vendor, config)
}

const BACK = '/proxy/gemini/upload/v1beta/files?upload_id=A%20B'

it('leads to where the caller reached us', () => {
  expect(link(URL_OF_VENDOR)).toBe(`http://relay.example${BACK}`)
  expect(link(URL_OF_VENDOR, { host: '[2001:db8::1]:3000' })).toBe(`http://[2001:db8::1]:3000${BACK}`)
})

it('believes the scheme of a trusted proxy only', () => {
  const headers = { 'x-forwarded-proto': 'https' }
  expect(link(URL_OF_VENDOR, headers)).toBe(`http://relay.example${BACK}`)
  expect(link(URL_OF_VENDOR, headers, { TRUSTED_PROXIES: '10.0.0.0/8' })).toBe(`https://relay.example${BACK}`)
})

it('leads to PUBLIC_URL when there is one', () => {
  expect(link(URL_OF_VENDOR, {}, { PUBLIC_URL: 'https://ferry.example/relay/' })).toBe(
    `https://ferry.example/relay${BACK}`,
  )
})

it('leads back whatever host is named, and for paths alone', () => {
  expect(link('https://other.example/v1/x')).toBe('http://relay.example/proxy/gemini/v1/x')
  expect(link('/v1/files/f')).toBe('http://relay.example/proxy/gemini/v1/files/f')
})

it('makes no URL of a Host that is none', () => {
  expect(link('/v1/x', { host: 'a"b' })).toBe('http://0.0.0.0:3000/proxy/gemini/v1/x')
  expect(link('https://[')).toBeUndefined()
})
