import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from '../../testkit/eventually.ts'
import { type Container, startContainer } from './container.ts'
import type { GatewayPlan } from './gateway.ts'
import { type ContainerSpec, type Manifest, manifest, type PodSpec } from './manifests.ts'
import { makeVolumes } from './volumes.ts'

const GATEWAY = fileURLToPath(new URL('gateway.ts', import.meta.url))

/** A name that a Pod calls, and the socket behind it. */
export interface Route {
  readonly host: string
  readonly port: number
  readonly socket: string
}

/** A Pod as it would run on a node: a network and volumes of its own, its containers as processes. */
export interface Pod {
  readonly name: string
  readonly volumes: Readonly<Record<string, string>>
  /** The socket that leads to a port of its. */
  socket(port: number): string
  container(name: string): Container
  /** What each container has written. */
  logs(): readonly string[]
  /** Answers of all probes of all containers, as `relay-1 readinessProbe: 200`. */
  probes(): Promise<readonly string[]>
  /** Cuts its connections to port 443. */
  cutLine(): void
  /** Ends it as the kubelet does: preStop and the stop signal for the containers, then the sidecars, then SIGKILL. */
  terminate(): Promise<Termination>
  /** Ends all of it at once, as a node that loses its power. */
  kill(): Promise<void>
}

/** How a Pod went. */
export interface Termination {
  /** Containers in the order in which they ended, each with its exit code. */
  readonly ended: readonly string[]
  readonly seconds: number
}

export interface PodPlan {
  readonly name: string
  readonly spec: PodSpec
  /** All that was rendered with it. */
  readonly objects: readonly Manifest[]
  /** A folder of the test; the Pod's own is made in it. */
  readonly folder: string
  readonly routes: readonly Route[]
  /** Names of `volumeClaimTemplates`. */
  readonly claims?: readonly string[]
}

/** Starts a Pod: sidecars first, each when the one before has started; resolves when all is ready. */
export async function startPod(plan: PodPlan): Promise<Pod> {
  const { name, spec, objects } = plan
  const folder = join(plan.folder, name)
  // A Pod that comes back finds its claims, and nothing else.
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  const claims = Object.fromEntries((plan.claims ?? []).map((claim) => [claim, join(plan.folder, `${claim}-${name}`)]))
  const volumes = makeVolumes(folder, spec, claims, objects)
  const all = [...(spec.initContainers ?? []), ...spec.containers]
  const socket = (port: number): string => join(folder, `${port}.sock`)
  const hosts = [...new Set(plan.routes.map(({ host }) => host))]
  const address = (host: string): string => `127.0.1.${hosts.indexOf(host) + 1}`
  const hostsFile = join(folder, 'hosts')
  writeFileSync(hostsFile, ['127.0.0.1 localhost', ...hosts.map((host) => `${address(host)} ${host}`), ''].join('\n'))
  const gateway = await startGateway({
    inbound: all.flatMap(({ ports = [] }) => ports).map(({ containerPort: port }) => ({ port, socket: socket(port) })),
    outbound: plan.routes.map((route) => ({ ...route, address: address(route.host) })),
  })
  const running = new Map<string, Container>()
  const start = async (container: ContainerSpec): Promise<void> => {
    const env = envOf(container, objects)
    const logFile = join(plan.folder, `${name}-${container.name}.log`)
    const surroundings = { networkOf: gateway.pid ?? 0, pod: spec, volumes, env, hostsFile, logFile }
    running.set(container.name, await startContainer(container, surroundings))
  }
  const pod: Pod = {
    name,
    volumes,
    socket,
    container: (of) => running.get(of) ?? missing(of),
    logs: () => [...running.values()].map((container) => container.log()),
    probes: () => probesOf(all, socket),
    cutLine: () => void gateway.kill('SIGUSR2'),
    terminate: () => terminate(spec, running, gateway),
    async kill() {
      for (const container of running.values()) container.signal('SIGKILL')
      await Promise.all([...running.values()].map(({ exited }) => exited))
      await end(gateway)
    },
  }
  try {
    for (const sidecar of spec.initContainers ?? []) {
      await start(sidecar)
      await eventually(`${sidecar.name} has started`, () => areWell([sidecar], socket), 15_000)
    }
    await Promise.all(spec.containers.map(start))
    await eventually(`${name} is ready`, () => areWell(all, socket), 30_000)
  } catch (error) {
    const logs = [...running.values()].map((container) => `${container.spec.name}:\n${container.log()}`)
    await pod.kill()
    throw new Error(`${name} did not become ready:\n${logs.join('\n')}`, { cause: error })
  }
  return pod
}

const missing = (name: string): never => {
  throw new Error(`there is no container ${name}`)
}

/** A process in a network of its own, which leads in and out of it. */
async function startGateway(plan: GatewayPlan): Promise<ChildProcess> {
  const script = 'ip link set lo up && exec "$@"'
  const argv = ['--net', 'sh', '-c', script, 'sh', process.execPath, GATEWAY, JSON.stringify(plan)]
  const child = spawn('unshare', argv, { stdio: ['ignore', 'inherit', 'inherit'] })
  child.once('error', () => {})
  process.once('exit', () => child.kill('SIGKILL'))
  const sockets = plan.inbound.map(({ socket }) => socket)
  await eventually(
    'the gateway listens',
    async () => (await Promise.all(sockets.map(canConnect))).every(Boolean),
    10_000,
  )
  return child
}

const canConnect = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

/** Whether somebody is behind a socket: the gateway takes every connection, and ends those that it cannot lead on. */
const staysOpen = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => socket.setTimeout(100))
    socket.once('timeout', () => {
      resolve(true)
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })

/** The environment as the kubelet makes it: settings first, the container's own above them. */
function envOf({ env = [], envFrom = [] }: ContainerSpec, objects: readonly Manifest[]): Record<string, string> {
  const settings = envFrom.map(({ configMapRef }) => manifest(objects, 'ConfigMap', configMapRef.name).data ?? {})
  return Object.assign({}, ...settings, ...env.map(({ name, value = '' }) => ({ [name]: value })))
}

const PROBES = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const

async function probesOf(containers: readonly ContainerSpec[], socket: (port: number) => string): Promise<string[]> {
  const asked = containers.flatMap((container) =>
    PROBES.map(async (kind) => {
      const { httpGet, tcpSocket } = container[kind] ?? {}
      if (httpGet) {
        const answer = await statusOf(socket(portOf(container, httpGet.port)), httpGet.path)
        return [`${container.name} ${kind}: ${answer}`]
      }
      if (tcpSocket) return [`${container.name} ${kind}: ${await staysOpen(socket(portOf(container, tcpSocket.port)))}`]
      return []
    }),
  )
  return (await Promise.all(asked)).flat()
}

const areWell = async (containers: readonly ContainerSpec[], socket: (port: number) => string): Promise<boolean> =>
  (await probesOf(containers, socket)).every((line) => /: (2\d\d|true)$/.test(line))

/** A port by its name or number. */
export function portOf({ name, ports = [] }: ContainerSpec, port: number | string): number {
  const found = ports.find((one) => one.name === port || one.containerPort === port)
  if (found === undefined) throw new Error(`${name} has no port ${port}`)
  return found.containerPort
}

const statusOf = (socketPath: string, path: string): Promise<number> =>
  new Promise((resolve) => {
    const asking = request({ socketPath, path, timeout: 3000 }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    asking.once('timeout', () => asking.destroy())
    asking.once('error', () => resolve(0))
    asking.end()
  })

async function terminate(
  spec: PodSpec,
  running: ReadonlyMap<string, Container>,
  gateway: ChildProcess,
): Promise<Termination> {
  const started = performance.now()
  const ended: string[] = []
  const of = ({ name }: ContainerSpec): Container => running.get(name) ?? missing(name)
  const stop = async (container: Container): Promise<void> => {
    const { preStop } = container.spec.lifecycle ?? {}
    if (preStop) await container.exec(preStop.exec.command)
    container.stop()
    ended.push(`${container.spec.name}: ${await container.exited}`)
  }
  const grace = setTimeout(
    () => {
      for (const container of running.values()) container.signal('SIGKILL')
    },
    (spec.terminationGracePeriodSeconds ?? 30) * 1000,
  )
  await Promise.all(spec.containers.map((container) => stop(of(container))))
  for (const sidecar of (spec.initContainers ?? []).toReversed()) await stop(of(sidecar))
  clearTimeout(grace)
  await end(gateway)
  return { ended, seconds: (performance.now() - started) / 1000 }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exited
}
