import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigError } from '@llm-ferry/kit'

/** A certificate and its key, as PEM. */
export interface TlsPair {
  readonly cert: string
  readonly key: string
}

/** Where a certificate and its key lie. */
export interface TlsFiles {
  readonly TLS_CERT_FILE?: string | undefined
  readonly TLS_KEY_FILE?: string | undefined
}

/**
 * Reads the certificate and the key; undefined when neither is configured.
 *
 * @throws {ConfigError} when only one is named, one cannot be read, or they do not belong together, as in the moment
 * between the renewal of the one and of the other.
 */
export function readTls({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile }: TlsFiles): TlsPair | undefined {
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile === undefined) throw new ConfigError(['TLS_CERT_FILE is missing: TLS_KEY_FILE needs its certificate'])
  if (keyFile === undefined) throw new ConfigError(['TLS_KEY_FILE is missing: TLS_CERT_FILE needs its key'])
  const pair = { cert: read('TLS_CERT_FILE', certFile), key: read('TLS_KEY_FILE', keyFile) }
  try {
    createSecureContext(pair)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError([
      `TLS_CERT_FILE and TLS_KEY_FILE do not hold a certificate in PEM and the key that belongs to it (${reason})`,
    ])
  }
  return pair
}

function read(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code
    throw new ConfigError([
      `${name} names ${file}, which cannot be read (${reason}): correct the path or its permissions`,
    ])
  }
}

/** When the certificate stops to be valid, in seconds since 1970. */
export function expiryOf({ cert }: TlsPair): number {
  return new X509Certificate(cert).validToDate.getTime() / 1000
}
