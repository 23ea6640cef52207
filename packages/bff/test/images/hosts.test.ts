import { describe, expect, it } from 'vitest'
import { parseFileConfig } from '../../src/config-file.ts'
import { isAllowed } from '../../src/images/hosts.ts'
import { imageType } from '../../src/images/image-type.ts'
import { isPublicAddress } from '../../src/images/public-address.ts'

const hosts = (list: string) => parseFileConfig(`imageFetch: { hosts: ${list} }`, 'f', {}).imageHosts

describe('the allow list', () => {
  const allowed = hosts('[img.example.com, "*.cdn.example.com", "other.example:8443", BÜCHER.example]')

  it.each([
    ['https://img.example.com/a.png', true],
    ['https://IMG.example.com:443/a.png', true],
    ['https://img.example.com:8443/a.png', false],
    ['https://img.example.com./a.png', false],
    ['https://evil-img.example.com/', false],
    ['https://img.example.com.evil.net/', false],
    ['https://a.cdn.example.com/', true],
    ['https://a.b.cdn.example.com/', true],
    ['https://cdn.example.com/', false],
    ['https://evilcdn.example.com/', false],
    ['https://other.example:8443/', true],
    ['https://other.example/', false],
    ['https://xn--bcher-kva.example/', true],
  ])('%s: %s', (url, expected) => {
    expect(isAllowed(new URL(url), allowed)).toBe(expected)
  })

  it.each([
    '"*"',
    '"*.com"',
    'localhost',
    '127.0.0.1',
    '"[::1]"',
    'http://img.example.com',
    'img.example.com/x',
    '2130706433',
    '"a@img.example.com"',
    '""',
  ])('has no place for %s', (host) => {
    expect(() => hosts(`[${host}]`)).toThrow(/imageFetch\.hosts\.0/)
  })
})

describe('public addresses', () => {
  it.each(['8.8.8.8', '114.114.114.114', '2606:4700::1111', '::ffff:8.8.8.8'])('%s', (address) => {
    expect(isPublicAddress(address)).toBe(true)
  })

  it.each([
    ...['10.0.0.1', '172.16.0.1', '192.168.1.1', '127.0.0.1', '0.0.0.0', '169.254.169.254', '100.100.100.200'],
    ...['192.0.0.192', '168.63.129.16', '198.18.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255', '192.88.99.1'],
    ...['::1', '::', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '::127.0.0.1', 'fe80::1', 'fe80::1%eth0', 'fd00:ec2::254'],
    ...[
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      '2001::1',
      'fec0::1',
      'ff02::1',
      '4000::1',
      '2001:db8::1',
      '127.1',
      'x',
      '',
    ],
  ])('not %s', (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })
})

it.each([
  ['\x89PNG\r\n\x1a\nrest', 'image/png'],
  ['\xff\xd8\xff\xe0', 'image/jpeg'],
  ['GIF89a', 'image/gif'],
  ['RIFF\n\x00\x00\x00WEBPVP8', 'image/webp'],
  ['\x00\x00\x00\x18ftypheic', 'image/heic'],
  ['<svg xmlns="http://www.w3.org/2000/svg">', undefined],
  ['<!doctype html>', undefined],
  ['', undefined],
])('image types are told by bytes: %j', (start, type) => {
  expect(imageType(Buffer.from(start, 'latin1'))).toBe(type)
})
