import type { ClientCertificate, ClientCertificateSource } from '../client-certificate.ts'
import type { LinkHooks } from './hooks.ts'

/** What a link compresses. */
export interface LinkCompression {
  /** Request bodies. */
  readonly requests: boolean
  /** The next body of a conversation as its difference from the last one; only with `requests`. */
  readonly differences: boolean
  /** Answers, where the relay does too. */
  readonly answers: boolean
}

/** How a link reaches its relays. */
export interface LinkOptions {
  /**
   * Base URLs of the relays in order of preference. An entry may list several addresses of one relay (one host, whose
   * processes share what they know of requests), as an array or with `|` between them: when one address fails another
   * is taken at once, because what resets a connection often blocks its address and port for 90 s.
   */
  readonly relays: readonly (string | URL | readonly (string | URL)[])[]
  /** Longest wait for TCP and TLS, in ms. Default 2500: one lost packet costs a second. */
  readonly connectMs?: number | undefined
  /** How long a request is pursued while its relay does not answer at all, in ms. Default 120000, the relay's grace. */
  readonly graceMs?: number | undefined
  /** Least silence beyond the heartbeat's interval after which a connection counts as dead, in ms. Default 1000. */
  readonly leastSilenceMs?: number | undefined
  /** The most of it, and what holds while no round trip has been measured, in ms. Default 5000. */
  readonly mostSilenceMs?: number | undefined
  /** Certificate authority of the relays, PEM; default: those of the system. */
  readonly ca?: string | undefined
  /**
   * Shown to relays, or to what stands in front of them, that ask for a certificate (mTLS); one for all of them. Default:
   * none. A function is asked for every new connection, so that a renewed certificate needs no restart; connections that
   * run stay as they are.
   *
   * @example
   * clientCertificate: () => ({ cert: readFileSync('client.crt', 'utf8'), key: readFileSync('client.key', 'utf8') })
   */
  readonly clientCertificate?: ClientCertificateSource | undefined
  /** What is compressed. Default: everything. What lengths can reveal: SECURITY.md. */
  readonly compression?: Partial<LinkCompression> | undefined
  /**
   * Connections that stand by, open and idle, at the first relay once there has been a request; one at every other
   * address. 0: none. Default 2: one more costs three round trips when it is needed.
   */
  readonly spareConnections?: number | undefined
  /** Are told what happens on the link. */
  readonly hooks?: LinkHooks | undefined
}

/** Options with their defaults, addresses parsed. */
export interface LinkSettings {
  readonly relays: readonly (readonly URL[])[]
  readonly connectMs: number
  readonly graceMs: number
  readonly leastSilenceMs: number
  readonly mostSilenceMs: number
  readonly ca: string | undefined
  readonly showsCertificate: boolean
  /** The certificate of the moment. Throws where it cannot be had. */
  readonly clientCertificate: () => ClientCertificate | undefined
  readonly compression: LinkCompression
  readonly spareConnections: number
  readonly hooks: LinkHooks
}

/** @throws {TypeError} when there is no relay, or one that is no URL. */
export function linkSettings(options: LinkOptions): LinkSettings {
  const { relays, connectMs = 2500, graceMs = 120_000, leastSilenceMs = 1000, mostSilenceMs = 5000, ca } = options
  const { spareConnections = 2, hooks = {}, clientCertificate: shown } = options
  const clientCertificate = typeof shown === 'function' ? shown : () => shown
  const showsCertificate = shown !== undefined
  const compression = { requests: true, differences: true, answers: true, ...options.compression }
  const addresses = relays.map((entry) => [entry].flat().flatMap(addressesOf))
  const times = { connectMs, graceMs, leastSilenceMs, mostSilenceMs }
  const tls = { ca, showsCertificate, clientCertificate }
  return { relays: addresses, ...times, ...tls, compression, spareConnections, hooks }
}

/** One address, or those of one host with `|` between them, as RELAY_URLS has them. */
const addressesOf = (entry: string | URL): URL[] =>
  String(entry)
    .split('|')
    .map((address) => new URL(address.trim()))
