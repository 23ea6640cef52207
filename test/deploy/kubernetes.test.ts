import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bffVariables } from '@llm-ferry/bff'
import { relayVariables } from '@llm-ferry/relay'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import {
  type ContainerSpec,
  copyOfDeploy,
  type DeployCopy,
  faultsOf,
  kubernetesTools,
  type Manifest,
  manifest,
  manifestsOf,
  type PodSpec,
} from './kubernetes/manifests.ts'

// What deploy/kubernetes renders, by the kustomize of kubectl and against the schemas of the API. The Pods themselves run
// in test/deploy/kubernetes (npm run test:deploy).

const root = fileURLToPath(new URL('../..', import.meta.url))
const OVERLAYS = ['overseas', 'domestic', 'trial'] as const
/** Kinds of others, whose schemas are theirs. */
const STRANGERS = /Couldn't find schema for kind (Certificate|PodMonitor) /

describe('deploy/kubernetes', () => {
  let tools: string
  let copy: DeployCopy
  const texts: Record<string, string> = {}
  const objects = (overlay: string): readonly Manifest[] => manifestsOf(texts[overlay] ?? '')

  beforeAll(async () => {
    tools = await kubernetesTools()
    copy = copyOfDeploy(tools)
    for (const overlay of ['overseas', 'domestic']) {
      const folder = `overlays/${overlay}`
      const read = (name: string): string => readFileSync(join(copy.folder, 'kubernetes', folder, name), 'utf8')
      copy.write(`${folder}/.env`, read('.env.example'))
      // With all that stands there to be uncommented.
      const all = read('kustomization.yaml')
        .replace('components: []', 'components:')
        .replace(/^( *)# (- .*components\/)/gm, '  $2')
      copy.write(`${folder}/kustomization.yaml`, all)
    }
    const prepared = spawnSync(join(copy.folder, 'kubernetes/overlays/trial/prepare'), { encoding: 'utf8' })
    expect(prepared).toMatchObject({ status: 0, stderr: '' })
    for (const overlay of OVERLAYS) texts[overlay] = copy.render(`overlays/${overlay}`)
  }, 150_000)
  afterAll(() => copy?.remove())

  it.each(OVERLAYS)('renders %s as the API takes it, with no field that it does not know', (overlay) => {
    expect(faultsOf(tools, texts[overlay] ?? '').filter((line) => !STRANGERS.test(line))).toEqual([])
  })

  it('would notice a field that the API does not know', () => {
    const wrong = texts.domestic?.replace('  minReplicas: 2', '  minReplicas: 2\n  minReplicsa: 2') ?? ''
    expect(faultsOf(tools, wrong).join('\n')).toContain('minReplicsa')
  })

  it('is tidy YAML', () => {
    const rules =
      '{extends: default, rules: {line-length: {max: 130}, document-start: disable, braces: {max-spaces-inside: 1}, comments-indentation: disable}}'
    const { stdout, status, error } = spawnSync('yamllint', ['-s', '-d', rules, join(root, 'deploy/kubernetes')], {
      encoding: 'utf8',
    })
    if (error) throw error
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })

  it('has nginx.conf from its one home', () => {
    const text = readFileSync(join(root, 'deploy/overseas/nginx.conf'), 'utf8')
    expect(manifest(objects('overseas'), 'ConfigMap', 'relay-nginx').data).toEqual({ 'nginx.conf': text })
  })

  const pods = (overlay: string): readonly [string, PodSpec][] =>
    objects(overlay)
      .filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment')
      .map(({ metadata, spec }) => [metadata.name, spec.template.spec])
  const containers = ({ initContainers = [], containers }: PodSpec): readonly ContainerSpec[] => [
    ...initContainers,
    ...containers,
  ]

  it.each(OVERLAYS)('%s: every container may do nothing that it need not', (overlay) => {
    const all = pods(overlay)
    expect(all.length).toBeGreaterThan(0)
    for (const [name, pod] of all) {
      expect(pod, name).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      })
      for (const container of containers(pod)) {
        expect(container.securityContext, container.name).toMatchObject({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
        expect(container.readinessProbe, container.name).toBeDefined()
        expect(container.resources, container.name).toMatchObject({ requests: {}, limits: { memory: /./ } })
      }
    }
  })

  it.each(OVERLAYS)('%s: secrets are files, never in an environment', (overlay) => {
    const text = JSON.stringify(objects(overlay).filter(({ kind }) => kind !== 'Secret'))
    expect(text).not.toMatch(/secretKeyRef|secretRef/)
    for (const { kind, data = {} } of objects(overlay)) {
      if (kind !== 'Secret') continue
      for (const value of Object.values(data).filter((one) => one !== '')) {
        expect(text.includes(Buffer.from(value, 'base64').toString())).toBe(false)
      }
    }
  })

  it.each([
    ['overseas', 'relay', relayVariables],
    ['domestic', 'bff', bffVariables],
  ] as const)(
    '%s: sets variables that its service knows, and waits longer than a drain takes',
    (overlay, name, known) => {
      const settings = manifest(objects(overlay), 'ConfigMap', `${name}-settings`).data ?? {}
      const isKnown = (name: string): boolean =>
        Object.hasOwn(known, name) || Object.hasOwn(known, name.replace(/_FILE$/, ''))
      expect(Object.keys(settings).filter((one) => !isKnown(one))).toEqual([])
      const [, pod] = pods(overlay).find(([of]) => of === name) ?? []
      const preStop = Number(pod?.containers[0]?.lifecycle?.preStop.exec.command[1] ?? 0)
      expect(pod?.terminationGracePeriodSeconds).toBeGreaterThan(Number(settings.DRAIN_TIMEOUT_MS) / 1000 + preStop + 5)
      // Each secret that it reads is in the file to fill in.
      const secret = manifest(objects(overlay), 'Secret', `${name}-secrets`).data ?? {}
      const files = Object.values(settings).flatMap((value) => /^\/etc\/ferry\/secrets\/(.+)/.exec(value)?.[1] ?? [])
      expect(files.toSorted()).toEqual(Object.keys(secret).toSorted())
    },
  )

  it.each([
    ['overseas', 'relay', ['http', 'https'], ['metrics-1', 'metrics-2']],
    ['domestic', 'bff', ['http'], ['metrics']],
  ])(
    '%s: lets the namespace monitoring alone to the metrics, and nobody to the rest',
    (overlay, name, open, metrics) => {
      const { ingress, podSelector } = manifest(objects(overlay), 'NetworkPolicy', name).spec
      const portsOf = (rule: { ports: { port: string }[] }): string[] => rule.ports.map(({ port }) => port)
      expect(ingress.map(portsOf)).toEqual([open, metrics])
      expect(ingress[1].from).toEqual([
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
      ])
      const workload = objects(overlay).find(
        ({ kind, metadata }) => /Set|Deployment/.test(kind) && metadata.name === name,
      )
      const { labels } = workload?.spec.template.metadata ?? {}
      for (const selector of [podSelector, manifest(objects(overlay), 'PodDisruptionBudget', name).spec.selector]) {
        expect(labels).toMatchObject(selector.matchLabels)
      }
      const [, pod] = pods(overlay).find(([of]) => of === name) ?? []
      const ports = pod === undefined ? [] : containers(pod).flatMap(({ ports = [] }) => ports.map((port) => port.name))
      expect(ports).toEqual(expect.arrayContaining([...open, ...metrics]))
    },
  )

  it('scales by a gauge that the BFF has, under the name that the adapter gives it', () => {
    const [{ pods: byStreams }] = manifest(objects('domestic'), 'HorizontalPodAutoscaler', 'bff').spec.metrics
    const { name } = byStreams.metric
    expect(readFileSync(join(root, 'docs/metrics.md'), 'utf8')).toContain(`| \`${name}\` | gauge |`)
    const adapter = parse(readFileSync(join(root, 'deploy/kubernetes/prometheus-adapter.yaml'), 'utf8'))
    expect(adapter.rules.custom[0].seriesQuery).toContain(`${name}{`)
  })

  it('is scraped under the names that the alerts know, on ports that are there', () => {
    const rules = readFileSync(join(root, 'deploy/monitoring/prometheus/rules/services.yml'), 'utf8')
    for (const [overlay, name] of [
      ['overseas', 'relay'],
      ['domestic', 'bff'],
    ] as const) {
      const { podMetricsEndpoints: endpoints, selector } = manifest(objects(overlay), 'PodMonitor', name).spec
      const workload = objects(overlay).find(
        ({ kind, metadata }) => /Set|Deployment/.test(kind) && metadata.name === name,
      )
      const { metadata, spec } = workload?.spec.template ?? {}
      expect(metadata.labels).toMatchObject(selector.matchLabels)
      for (const { port, relabelings } of endpoints) {
        expect(containers(spec).flatMap(({ ports = [] }) => ports.map((one) => one.name))).toContain(port)
        const { replacement } = relabelings.find(({ targetLabel }: { targetLabel: string }) => targetLabel === 'job')
        expect(rules).toContain(`up{job="${replacement}"}`)
      }
    }
  })
})
