import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate for localhost and the throw-away authority that signed it. */
export interface Certificates {
  readonly ca: string
  /** File of `ca`, for NODE_EXTRA_CA_CERTS. */
  readonly caFile: string
  readonly key: string
  readonly cert: string
  /** Files of `key` and `cert`, which a server may read. */
  readonly keyFile: string
  readonly certFile: string
  /** Deletes the files. */
  remove(): void
}

/** Makes an authority and a certificate for localhost, 127.0.0.1 and these names, valid for a day. */
export function createCertificates(names: readonly string[] = []): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-certs-'))
  const file = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...ec, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '1', '-subj', '/CN=Ferry test CA')
  openssl('req', ...ec, '-keyout', 'tls.key', '-out', 'tls.csr', '-subj', '/CN=localhost')
  const others = names.map((name) => `,DNS:${name}`).join('')
  writeFileSync(file('ext'), `subjectAltName=DNS:localhost,IP:127.0.0.1${others}\n`)
  const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'ext']
  openssl('x509', '-req', '-in', 'tls.csr', ...signing, '-out', 'tls.crt', '-days', '1')
  const read = (name: string): string => readFileSync(file(name), 'utf8')
  return {
    ca: read('ca.crt'),
    caFile: file('ca.crt'),
    key: read('tls.key'),
    cert: read('tls.crt'),
    keyFile: file('tls.key'),
    certFile: file('tls.crt'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
