import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Certificates } from '../testkit/certs.ts'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import type { Service, ServiceEnv } from '../testkit/services.ts'

const file = (path: string): string => fileURLToPath(new URL(`../../deploy/${path}`, import.meta.url))
const SCRIPT = file('images/front')

/** The real nginx, run by deploy/images/front as its image does, in a folder of its own. */
export interface Front {
  /** FERRY_STATE_DIR and FERRY_LOG_DIR. */
  readonly folder: string
  readonly httpPort: number
  readonly httpsPort: number
  /** What `nginx -t` said. */
  readonly check: { readonly status: number | null; readonly output: string }
  /** Process id of nginx's first process. */
  readonly pid: number
  log(name: 'access' | 'error'): string
  /** Runs one of the script's commands, such as `['drain', '1']`. */
  command(...args: string[]): void
  stop(): Promise<void>
}

/**
 * Fills a template in, checks it and runs it on loopback.
 *
 * @param side whose template: `overseas` or `domestic`.
 * @param more what the script reads besides ports and folders: FERRY_RELAY_1, FERRY_TLS_CERT, …
 */
export async function startFront(side: 'overseas' | 'domestic', more: ServiceEnv): Promise<Front> {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-nginx-'))
  // nginx's workers, which are not root, keep large bodies below it.
  chmodSync(folder, 0o755)
  const [httpPort, httpsPort] = [await freePort(), await freePort()]
  const env = {
    PATH: process.env.PATH,
    FERRY_TEMPLATE: file(`${side}/nginx.conf`),
    FERRY_STATE_DIR: folder,
    FERRY_LOG_DIR: folder,
    FERRY_HTTP_PORT: `127.0.0.1:${httpPort}`,
    FERRY_HTTPS_PORT: `127.0.0.1:${httpsPort}`,
    FERRY_ACME_ROOT: folder,
    FERRY_WATCH_SECONDS: '0.2',
    ...more,
  }
  const { status, stdout, stderr } = spawnSync(SCRIPT, ['render'], { env, encoding: 'utf8' })
  const child = spawn(SCRIPT, ['run'], { env, stdio: 'ignore' })
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  const listening = eventually('nginx answers', () => answers(`http://127.0.0.1:${httpPort}/`), 10_000)
  try {
    await Promise.race([listening, failed])
  } catch (error) {
    child.kill('SIGKILL')
    throw new Error(`nginx did not start: ${stdout}${stderr}`, { cause: error })
  }
  return {
    folder,
    httpPort,
    httpsPort,
    check: { status, output: `${stdout}${stderr}` },
    pid: child.pid ?? 0,
    log: (name) => readFileSync(join(folder, `${name}.log`), 'utf8'),
    command: (...args) => void execFileSync(SCRIPT, args, { env, stdio: 'pipe' }),
    stop: async () => {
      await end(child)
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}

/** What the overseas template needs to know of its certificate and its relays. */
export const overseasEnv = (
  { certFile, keyFile }: Certificates,
  [one, two]: readonly [Service, Service],
): ServiceEnv => ({
  FERRY_TLS_CERT: certFile,
  FERRY_TLS_KEY: keyFile,
  FERRY_RELAY_1: `127.0.0.1:${one.port}`,
  FERRY_RELAY_2: `127.0.0.1:${two.port}`,
  FERRY_METRICS_1: `127.0.0.1:${one.metricsPort}`,
  FERRY_METRICS_2: `127.0.0.1:${two.metricsPort}`,
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
