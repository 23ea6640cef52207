import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../../deploy/scripts/client-certificates', import.meta.url))

/** A caller's certificate and key, as files and as PEM. */
export interface ClientPair {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

/** A private authority for callers' certificates, made as operators make theirs. */
export interface ClientAuthority {
  readonly caFile: string
  issue(role: 'bff' | 'monitoring', name: string): ClientPair
  /** The same certificate, which ended yesterday. */
  expired(pair: ClientPair): ClientPair
  remove(): void
}

export function createClientAuthority(): ClientAuthority {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-client-ca-'))
  const file = (name: string): string => join(folder, name)
  const pairOf = (certFile: string, keyFile: string): ClientPair => {
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
  }
  const make = (role: string, name: string): unknown =>
    execFileSync(SCRIPT, [role, name], { env: { PATH: process.env.PATH, FERRY_CA_DIR: folder }, stdio: 'pipe' })
  // The authority comes with the first one.
  make('bff', 'nobody')
  return {
    caFile: file('ca.crt'),
    issue(role, name) {
      make(role, name)
      return pairOf(file(`${name}.crt`), file(`${name}.key`))
    },
    expired({ certFile, keyFile }) {
      const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
      openssl('x509', '-x509toreq', '-in', certFile, '-signkey', keyFile, '-out', 'expired.csr')
      const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-set_serial', '1', '-days', '-1']
      openssl('x509', '-req', '-in', 'expired.csr', ...signing, '-out', `${certFile}.expired`)
      return pairOf(`${certFile}.expired`, keyFile)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Puts a pair in another one's place, as a renewal does: first the certificate, then the key. */
export function replacePair(at: ClientPair, by: ClientPair): void {
  for (const [to, from] of [
    [at.certFile, by.certFile],
    [at.keyFile, by.keyFile],
  ] as const) {
    copyFileSync(from, `${to}.new`)
    renameSync(`${to}.new`, to)
  }
}
