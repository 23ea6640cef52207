import ipaddr from 'ipaddr.js'
import { quotable } from './mask.ts'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** A set of addresses; `::ffff:a.b.c.d` is the same as `a.b.c.d`. */
export interface AddressSet {
  readonly isEmpty: boolean
  has(address: string): boolean
}

/** Networks as CIDRs or single addresses. Throws an Error that completes "NAME …". */
export function addressSet(cidrs: readonly string[]): AddressSet {
  const ranges = cidrs.map(parseCidr)
  const has = (text: string): boolean => {
    const address = parseAddress(text)
    return address !== undefined && ranges.some((range) => contains(range, address))
  }
  return { isEmpty: ranges.length === 0, has }
}

/** Reads `10.0.0.0/8`, `::1` or `192.0.2.7`. Throws an Error that completes "NAME …". */
export function parseCidr(text: string): readonly [Address, number] {
  try {
    if (!isAddress(text.split('/', 1)[0] ?? '')) throw new Error('no address')
    if (text.includes('/')) return ipaddr.parseCIDR(text)
    const address = ipaddr.process(text)
    return [address, address.kind() === 'ipv4' ? 32 : 128]
  } catch {
    throw new Error(`must be addresses or CIDRs such as 10.0.0.0/8 or 2001:db8::/32 ("${quotable(text)}" is not)`)
  }
}

function contains([network, bits]: readonly [Address, number], address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, bits)
}

function parseAddress(text: string): Address | undefined {
  return isAddress(text) ? ipaddr.process(text) : undefined
}

// Not the old spellings (10.1, 0x7f.1, 017.0.0.1), which different programs take for different addresses.
const isAddress = (text: string): boolean =>
  text.includes(':') ? ipaddr.IPv6.isValid(text) : ipaddr.IPv4.isValidFourPartDecimal(text)

/**
 * The address a request comes from: the peer's, unless the peer is a trusted proxy; then the rightmost address in
 * X-Forwarded-For that is not one. What stands further left was written by whom we do not know.
 *
 * @param peer address of the socket's other end.
 * @param forwardedFor all X-Forwarded-For lines, joined with commas.
 */
export function clientAddress(peer: string, forwardedFor: string | undefined, trusted: AddressSet): string {
  let address = plain(peer)
  if (trusted.isEmpty || forwardedFor === undefined) return address
  const hops = forwardedFor.split(',')
  while (trusted.has(address)) {
    const hop = hops.pop()?.trim()
    if (hop === undefined) break
    const next = withoutPort(hop)
    // A hop that is no address cannot be vouched for: the last proxy is all we know.
    if (!isAddress(next)) break
    address = plain(next)
  }
  return address
}

const plain = (address: string): string => (address.startsWith('::ffff:') ? address.slice(7) : address)

function withoutPort(hop: string): string {
  const [, bracketed] = /^\[(.+)\](?::\d+)?$/.exec(hop) ?? []
  if (bracketed !== undefined) return bracketed
  return /^[\d.]+:\d+$/.test(hop) ? hop.slice(0, hop.indexOf(':')) : hop
}
