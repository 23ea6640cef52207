import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Certificates } from '../testkit/certs.ts'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'

const TEMPLATE = fileURLToPath(new URL('../../deploy/overseas/nginx.conf', import.meta.url))
// As root on Debian nginx lies outside some PATHs.
const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` }

/** The real nginx with deploy/overseas/nginx.conf, in a folder of its own. */
export interface Front {
  readonly httpPort: number
  readonly httpsPort: number
  /** What `nginx -t` said. */
  readonly check: { readonly status: number | null; readonly output: string }
  log(name: 'access' | 'error'): string
  stop(): Promise<void>
}

/** Fills the template in, checks it and runs it in front of two relays on loopback. */
export async function startFront(
  { certFile, keyFile }: Certificates,
  relayPorts: readonly [number, number],
): Promise<Front> {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-nginx-'))
  // nginx's workers, which are not root, keep large bodies below it.
  chmodSync(folder, 0o755)
  const [httpPort, httpsPort] = [await freePort(), await freePort()]
  const file = join(folder, 'nginx.conf')
  const values: Readonly<Record<string, string>> = {
    FERRY_SERVER_NAME: 'localhost',
    FERRY_HTTP_PORT: `127.0.0.1:${httpPort}`,
    FERRY_HTTPS_PORT: `127.0.0.1:${httpsPort}`,
    FERRY_TLS_CERT: certFile,
    FERRY_TLS_KEY: keyFile,
    FERRY_RELAY_1: `127.0.0.1:${relayPorts[0]}`,
    FERRY_RELAY_2: `127.0.0.1:${relayPorts[1]}`,
    FERRY_STATE_DIR: folder,
    FERRY_LOG_DIR: folder,
    FERRY_ACME_ROOT: folder,
  }
  writeFileSync(file, fill(readFileSync(TEMPLATE, 'utf8'), values))
  const args = ['-p', folder, '-c', file, '-e', join(folder, 'error.log'), '-g', 'daemon off;']
  const { status, stdout, stderr } = spawnSync('nginx', [...args, '-t'], { env, encoding: 'utf8' })
  const child = spawn('nginx', args, { env, stdio: 'ignore' })
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  const listening = eventually('nginx answers', () => answers(`http://127.0.0.1:${httpPort}/`), 10_000)
  try {
    await Promise.race([listening, failed])
  } catch (error) {
    child.kill('SIGKILL')
    throw new Error(`nginx did not start: ${stdout}${stderr}`, { cause: error })
  }
  return {
    httpPort,
    httpsPort,
    check: { status, output: `${stdout}${stderr}` },
    log: (name) => readFileSync(join(folder, `${name}.log`), 'utf8'),
    stop: async () => {
      await end(child)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const fill = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replace(/\$\{(FERRY_[A-Z0-9_]+)\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`the template has ${name}, which nobody fills in`)
    return value
  })

const answers = (url: string): Promise<boolean> =>
  fetch(url, { redirect: 'manual' }).then(
    () => true,
    () => false,
  )

// SIGTERM, so that the master takes its workers along.
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
}
