import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigError } from './env.ts'

/** A certificate and its key, as PEM. */
export interface TlsPair {
  readonly cert: string
  readonly key: string
}

/** A variable that names a file, and the file. */
export type NamedFile = readonly [variable: string, file: string | undefined]

/**
 * Reads the certificate and the key; undefined when neither is configured.
 *
 * @throws {ConfigError} when only one is named, one cannot be read, or they do not belong together, as in the moment
 * between the renewal of the one and of the other.
 */
export function readTlsPair([certName, certFile]: NamedFile, [keyName, keyFile]: NamedFile): TlsPair | undefined {
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile === undefined) throw new ConfigError([`${certName} is missing: ${keyName} needs its certificate`])
  if (keyFile === undefined) throw new ConfigError([`${keyName} is missing: ${certName} needs its key`])
  const pair = { cert: read(certName, certFile), key: read(keyName, keyFile) }
  try {
    createSecureContext(pair)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError([
      `${certName} and ${keyName} do not hold a certificate in PEM and the key that belongs to it (${reason})`,
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
