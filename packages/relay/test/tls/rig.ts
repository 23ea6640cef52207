import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { type Certificates, createCertificates } from '../../../../test/testkit/certs.ts'
import type { ServiceEnv } from '../../../../test/testkit/services.ts'
import { type Rig, rig } from '../rig.ts'

/** Files that a relay reads its certificate from. */
export interface TlsFiles {
  readonly env: { readonly TLS_CERT_FILE: string; readonly TLS_KEY_FILE: string }
  write(pair: { readonly cert: string; readonly key: string }): void
  remove(): void
}

export function tlsFiles(): TlsFiles {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-tls-'))
  const env = { TLS_CERT_FILE: join(folder, 'tls.crt'), TLS_KEY_FILE: join(folder, 'tls.key') }
  const replace = (file: string, text: string): void => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  return {
    env,
    write({ cert, key }) {
      replace(env.TLS_CERT_FILE, cert)
      replace(env.TLS_KEY_FILE, key)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A relay that speaks TLS in front of a scripted vendor, for each test of a file or block. */
export function tlsRig(env: ServiceEnv = {}): { readonly rig: Rig; readonly ca: string } {
  const files = tlsFiles()
  let certificates: Certificates | undefined
  beforeAll(() => {
    certificates = createCertificates()
    files.write(certificates)
  })
  const inner = rig({ ...env, ...files.env })
  afterAll(() => {
    files.remove()
    certificates?.remove()
  })
  return {
    rig: inner,
    get ca() {
      if (certificates === undefined) throw new Error('only inside tests')
      return certificates.ca
    },
  }
}
