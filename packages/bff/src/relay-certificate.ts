import { ConfigError, expiryOf, Gauge, type NamedFile, type Registry, readTlsPair, type TlsPair } from '@llm-ferry/kit'
import { buildConnector } from 'undici'

/**
 * Reads the certificate that the BFF shows its relays; undefined when none is configured.
 *
 * @throws {ConfigError} for one that cannot be used, or has expired.
 */
export function readClientCertificate(cert: NamedFile, key: NamedFile): TlsPair | undefined {
  const pair = readTlsPair(cert, key)
  if (pair !== undefined && expiryOf(pair) * 1000 <= Date.now()) {
    const day = new Date(expiryOf(pair) * 1000).toISOString()
    throw new ConfigError([`${cert[0]} names ${cert[1]}, which expired at ${day}: put a renewed certificate there`])
  }
  return pair
}

/** The certificate that the BFF shows its relays, as it is at the moment. */
export class RelayCertificate {
  #pair: TlsPair
  readonly #expiry: Gauge

  constructor(pair: TlsPair, registry: Registry) {
    this.#pair = pair
    this.#expiry = new Gauge({
      name: 'link_client_certificate_expires_seconds',
      help: 'When the certificate that is shown to the relays stops to be valid, in seconds since 1970.',
      registers: [registry],
    })
    this.use(pair)
  }

  get current(): TlsPair {
    return this.#pair
  }

  /** The certificate of connections from now on. */
  use(pair: TlsPair): void {
    this.#pair = pair
    this.#expiry.set(expiryOf(pair))
  }

  /** Opens connections that show it. */
  connector(timeoutMs: number): buildConnector.connector {
    let shown: TlsPair | undefined
    let connect = buildConnector({})
    return (target, callback) => {
      if (this.#pair !== shown) {
        // With it goes what it remembers of TLS sessions: they would speak for the former certificate.
        connect = buildConnector({ ...this.#pair, allowH2: false, timeout: timeoutMs })
        shown = this.#pair
      }
      connect(target, callback)
    }
  }
}
