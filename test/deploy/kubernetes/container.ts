import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, closeSync, openSync, readFileSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readDockerfile } from './dockerfile.ts'
import type { ContainerSpec, PodSpec } from './manifests.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const NODE = realpathSync(process.execPath)

/** A container's processes, from this checkout's code, as its image's would run. */
export interface Container {
  readonly spec: ContainerSpec
  readonly exited: Promise<number | null>
  log(): string
  signal(name: NodeJS.Signals): void
  /** As the kubelet tells it to stop: with its image's signal. */
  stop(): void
  /** Runs one more program in it; returns its exit code. */
  exec(command: readonly string[]): Promise<number | null>
}

/** Where a container stands. */
export interface Surroundings {
  /** Process in whose network it is. */
  readonly networkOf: number
  readonly pod: PodSpec
  /** Volumes by name. */
  readonly volumes: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  readonly hostsFile: string
  readonly logFile: string
}

/** What an image's first process is, for the code of this checkout. */
const ENTRY: Readonly<Record<string, readonly string[]>> = {
  relay: ['node', '--disable-warning=ExperimentalWarning', '--conditions=ferry-source', 'packages/relay/src/main.ts'],
  bff: ['node', '--disable-warning=ExperimentalWarning', '--conditions=ferry-source', 'packages/bff/src/main.ts'],
  nginx: ['deploy/images/front', 'run'],
}

/** Starts a container as its manifest says: user, groups, no capability, read-only root, mounts, environment. */
export async function startContainer(spec: ContainerSpec, surroundings: Surroundings): Promise<Container> {
  const image = /([^/:]+)(:[^/]*)?$/.exec(spec.image)?.[1] ?? ''
  const command = spec.command ?? ENTRY[image]
  if (command === undefined) throw new Error(`nobody knows what ${spec.image} runs`)
  const { env, stopSignal } = image in ENTRY ? readDockerfile(image) : { env: {}, stopSignal: 'SIGTERM' as const }
  const argv = sandbox(spec, surroundings, { ...env, ...surroundings.env })
  // Another user must be able to open it anew, which is what writing to /dev/stdout does.
  const log = openSync(surroundings.logFile, 'a')
  chmodSync(surroundings.logFile, 0o666)
  const start = (program: readonly string[]): ChildProcess =>
    spawn('nsenter', [`--net=/proc/${surroundings.networkOf}/ns/net`, ...argv, ...program], {
      stdio: ['ignore', log, log, 'pipe'],
    })
  const child = start(command)
  const exited = exitOf(child).finally(() => closeSync(log))
  const pid = await pidWithin(child)
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(pid, name)
    } catch {
      // It has gone.
    }
  }
  return {
    spec,
    exited,
    log: () => readFileSync(surroundings.logFile, 'utf8'),
    signal,
    stop: () => signal(stopSignal),
    exec: (program) => exitOf(start(program)),
  }
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })

/** The program's own process id: bwrap, its parent, tells it. */
function pidWithin(child: ChildProcess): Promise<number> {
  let text = ''
  return new Promise((resolve, reject) => {
    child.stdio[3]?.on('data', (piece: Buffer) => {
      text += piece
      const [, pid] = /"child-pid":\s*(\d+),/.exec(text) ?? []
      if (pid !== undefined) resolve(Number(pid))
    })
    child.once('exit', (code) => reject(new Error(`the container ended with ${code} before it began`)))
  })
}

/** Folders that bwrap would make for root alone, so that the mounts in them can be reached. */
const above = (path: string): string[] =>
  path
    .split('/')
    .slice(1, -1)
    .map((_, depth, names) => `/${names.slice(0, depth + 1).join('/')}`)

/** The command line that a container's program follows. */
function sandbox(
  spec: ContainerSpec,
  { pod, volumes, hostsFile }: Surroundings,
  env: Record<string, string>,
): string[] {
  const { securityContext: own } = spec
  const { runAsUser: user, runAsGroup: group, fsGroup } = { ...pod.securityContext, ...own }
  if (user === undefined || group === undefined) throw new Error(`${spec.name} has no runAsUser, or no runAsGroup`)
  const mounts = (spec.volumeMounts ?? []).flatMap(({ name, mountPath, readOnly }) => {
    const place = volumes[name]
    if (place === undefined) throw new Error(`${spec.name} mounts ${name}, which is no volume of its Pod`)
    return [readOnly ? '--ro-bind' : '--bind', place, mountPath]
  })
  const parents = new Set(
    ['/etc/x', '/opt/x', '/var/log/nginx/x', ...(spec.volumeMounts ?? []).map((m) => m.mountPath)].flatMap(above),
  )
  return [
    'bwrap',
    ...['--die-with-parent', '--info-fd', '3', '--cap-drop', 'ALL'],
    ...['SETUID', 'SETGID', 'SETPCAP'].flatMap((name) => ['--cap-add', `CAP_${name}`]),
    ...[...parents].flatMap((folder) => ['--perms', '0755', '--dir', folder]),
    ...['--ro-bind', '/usr', '/usr', '--proc', '/proc', '--dev', '/dev'],
    ...['bin', 'sbin', 'lib', 'lib64'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`]),
    ...['passwd', 'group', 'ssl', 'alternatives', 'ld.so.cache'].flatMap((n) => [
      '--ro-bind',
      `/etc/${n}`,
      `/etc/${n}`,
    ]),
    ...['--ro-bind', hostsFile, '/etc/hosts', '--ro-bind', ROOT, '/app', '--ro-bind', NODE, '/opt/node'],
    // As nginx's image has it.
    ...[
      '--symlink',
      '/dev/stdout',
      '/var/log/nginx/access.log',
      '--symlink',
      '/dev/stderr',
      '/var/log/nginx/error.log',
    ],
    ...mounts,
    ...(own?.readOnlyRootFilesystem ? ['--remount-ro', '/'] : []),
    ...['--chdir', '/app', '--clearenv', '--setenv', 'PATH', '/opt:/usr/sbin:/usr/bin'],
    ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['setpriv', '--reuid', String(user), '--regid', String(group), '--groups', [group, fsGroup ?? group].join(',')],
    ...['--inh-caps=-all', '--bounding-set=-all'],
    ...(own?.allowPrivilegeEscalation === false ? ['--no-new-privs'] : []),
  ]
}
