import { describe, expect, it } from 'vitest'
import { addressSet, clientAddress } from '../src/client-address.ts'

const trusted = addressSet(['10.0.0.0/8', '::1', 'fd00::/8'])

describe('addressSet', () => {
  it('knows networks, single addresses, and IPv4 in the dress of IPv6', () => {
    const set = addressSet(['192.0.2.0/24', '2001:db8::/32', '198.51.100.7'])
    for (const inside of ['192.0.2.9', '::ffff:192.0.2.9', '2001:db8:1::1', '198.51.100.7']) {
      expect(set.has(inside), inside).toBe(true)
    }
    for (const outside of ['192.0.3.1', '198.51.100.8', '2001:db9::1', '', 'nonsense', '192.0.2']) {
      expect(set.has(outside), outside).toBe(false)
    }
    expect(addressSet([]).isEmpty).toBe(true)
  })

  it.each(['10.0.0.0/33', 'localhost', '10.0.0', '', '::1/129'])('refuses %j', (cidr) => {
    expect(() => addressSet([cidr])).toThrow(/must be addresses or CIDRs/)
  })
})

describe('clientAddress', () => {
  it.each([
    ['203.0.113.5', '1.1.1.1', '203.0.113.5'],
    ['::ffff:203.0.113.5', undefined, '203.0.113.5'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '', '10.0.0.1'],
    ['10.0.0.1', '1.1.1.1', '1.1.1.1'],
    ['10.0.0.1', '6.6.6.6, 1.1.1.1', '1.1.1.1'],
    ['10.0.0.1', '6.6.6.6, 1.1.1.1, 10.9.9.9', '1.1.1.1'],
    ['10.0.0.1', '10.1.1.1, 10.9.9.9', '10.1.1.1'],
    ['10.0.0.1', '1.1.1.1, nonsense', '10.0.0.1'],
    ['10.0.0.1', '1.1.1.1, nonsense, 10.9.9.9', '10.9.9.9'],
    ['10.0.0.1', '1.1.1.1:4711', '1.1.1.1'],
    ['::1', '[2001:db8::7]:4711', '2001:db8::7'],
    ['10.0.0.1', '::ffff:1.1.1.1', '1.1.1.1'],
  ])('from %s with X-Forwarded-For %s: %s', (peer, forwardedFor, expected) => {
    expect(clientAddress(peer, forwardedFor, trusted)).toBe(expected)
  })
})
