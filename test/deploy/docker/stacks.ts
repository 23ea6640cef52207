import { type ExecFileSyncOptions, execFile, execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Certificates } from '../../testkit/certs.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const ENGINE = fileURLToPath(new URL('./engine.sh', import.meta.url))
const run = promisify(execFile)

/** Descriptors that a container may ask for here: an engine within a container may give no more than it has. */
const NOFILE = execFileSync('bash', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()

/** What the images are told to be built from: the copies are no checkouts. */
export const COMMIT = '0123456789abcdef0123456789abcdef01234567'

/** Starts the throw-away engine with its base images; what talks to it finds it in this process's environment. */
export function startEngine(): { stop(): void } {
  for (const step of ['up', 'images']) execFileSync(ENGINE, [step], { stdio: ['ignore', 'ignore', 'inherit'] })
  const said = execFileSync(ENGINE, ['env'], { encoding: 'utf8' })
  for (const [, name = '', value = ''] of said.matchAll(/(DOCKER_\w+)=(\S+)/g)) process.env[name] = value
  return { stop: () => void execFileSync(ENGINE, ['down'], { stdio: 'ignore' }) }
}

export const docker = (...args: string[]): string => execFileSync('docker', args, { encoding: 'utf8' }).trim()

/** One side, as an operator has it: a copy of this repository with a filled-in .env. */
export interface Stack {
  readonly folder: string
  compose(...args: string[]): string
  /** The same for what takes its time: the vendor and the ways of a test live in this process. */
  composeSlowly(...args: string[]): Promise<string>
  /** Runs up.sh or roll.sh. */
  script(name: 'up.sh' | 'roll.sh'): Promise<string>
  /** Runs scripts/upgrade on it. */
  upgrade(to: string): Promise<unknown>
  /** Process id of a service's first process, on this machine. */
  pid(service: string): number
  /** Writes compose.override.yaml, which Compose reads by itself. */
  override(yaml: string): void
  down(): void
}

/** @param env what is filled in, besides the name of the compose project. */
export function copyStack(
  name: string,
  side: 'overseas' | 'domestic',
  env: Readonly<Record<string, string>>,
  certificates: Certificates,
): Stack {
  const copy = mkdtempSync(join(tmpdir(), `ferry-${name}-`))
  // What git knows and what is new; not what lies about.
  const list =
    "git ls-files -zco --exclude-standard -- deploy packages package.json 'pnpm-*.yaml' tsconfig.base.json .dockerignore"
  execFileSync('bash', ['-c', `${list} | tar --null -cT - | tar -xC '${copy}'`], { cwd: root })
  const folder = join(copy, 'deploy', side)
  const values = { COMPOSE_PROJECT_NAME: `ferry-test-${name}`, FERRY_NOFILE: NOFILE, FERRY_COMMIT: COMMIT, ...env }
  writeFileSync(
    join(folder, '.env'),
    Object.entries(values)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  )
  for (const sub of ['tls', 'config']) mkdirSync(join(folder, sub))
  const files = { certFile: 'tls/fullchain.pem', keyFile: 'tls/privkey.pem', caFile: 'config/ca.pem' } as const
  for (const [from, to] of Object.entries(files) as [keyof typeof files, string][]) {
    copyFileSync(certificates[from], join(folder, to))
    chmodSync(join(folder, to), 0o644)
  }
  const options: ExecFileSyncOptions = { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }
  const compose = (...args: string[]): string => String(execFileSync('docker', ['compose', ...args], options)).trim()
  return {
    folder,
    compose,
    composeSlowly: async (...args) => (await run('docker', ['compose', ...args], { cwd: folder })).stdout,
    script: async (script) => (await run(join(folder, script), [], { cwd: folder })).stdout,
    upgrade: (to) => run(join(copy, 'deploy/scripts/upgrade'), [folder, to]),
    pid: (service) => Number(docker('inspect', '-f', '{{.State.Pid}}', compose('ps', '-q', service))),
    override: (yaml) => writeFileSync(join(folder, 'compose.override.yaml'), yaml),
    down: () => void compose('down', '--volumes', '--timeout', '1'),
  }
}

/** A way from containers to a port on loopback of this machine, which can be cut. */
export async function openWay(target: number): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((near) => {
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true })
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one
        .on('error', () => other.destroy())
        .on('close', () => {
          sockets.delete(one)
          other.destroy()
        })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
