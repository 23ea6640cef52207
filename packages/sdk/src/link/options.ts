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
   * processes share what they know of requests): when one address fails the next is taken.
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
  /** What is compressed. Default: everything. What lengths can reveal: SECURITY.md. */
  readonly compression?: Partial<LinkCompression> | undefined
}

/** Options with their defaults, addresses parsed. */
export interface LinkSettings {
  readonly relays: readonly (readonly URL[])[]
  readonly connectMs: number
  readonly graceMs: number
  readonly leastSilenceMs: number
  readonly mostSilenceMs: number
  readonly ca: string | undefined
  readonly compression: LinkCompression
}

/** @throws {TypeError} when there is no relay, or one that is no URL. */
export function linkSettings(options: LinkOptions): LinkSettings {
  const { relays, connectMs = 2500, graceMs = 120_000, leastSilenceMs = 1000, mostSilenceMs = 5000, ca } = options
  const compression = { requests: true, differences: true, answers: true, ...options.compression }
  const addresses = relays.map((entry) => [entry].flat().map((address) => new URL(address)))
  return { relays: addresses, connectMs, graceMs, leastSilenceMs, mostSilenceMs, ca, compression }
}
