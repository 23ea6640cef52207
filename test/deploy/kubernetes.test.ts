import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bffVariables } from '@llm-ferry/bff'
import { relayVariables } from '@llm-ferry/relay'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { PROMETHEUS_RULE, prometheusRule } from '../../tools/prometheus-rules.ts'
import { readDocumentedMetrics } from '../operations/metrics-page.ts'
import { metricsOf, readRules } from '../operations/monitoring-files.ts'
import { runProgram, startProgram } from '../operations/program.ts'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
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
const STRANGERS = /Couldn't find schema for kind (Certificate|PodMonitor|PrometheusRule) /

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

  describe('for the Prometheus operator', () => {
    const OURS = ['PodMonitor', 'PrometheusRule']
    const ofOperator = (text: string): readonly Manifest[] =>
      manifestsOf(text).filter(({ kind }) => OURS.includes(kind))

    it('has the rules of deploy/monitoring (node tools/prometheus-rules.ts writes them), but those about what others watch', () => {
      expect(parse(readFileSync(PROMETHEUS_RULE, 'utf8'))).toEqual(parse(prometheusRule()))
      const { groups } = manifest(objects('domestic'), 'PrometheusRule', 'llm-ferry').spec as {
        groups: { rules: { alert?: string; record?: string; expr: string }[] }[]
      }
      const rules = groups.flatMap((group) => group.rules)
      const known = new Map(
        readRules().map(({ file: _, ...rule }) => [
          rule.alert ?? rule.record,
          { ...rule, expr: rule.expr.replace(/\s+/g, ' ') },
        ]),
      )
      for (const rule of rules) expect(rule).toEqual(known.get(rule.alert ?? rule.record))
      // Whatever is left out asks for a metric that our Pods do not have; whatever is in asks for theirs alone.
      const theirs = new Set([...readDocumentedMetrics('relay').keys(), ...readDocumentedMetrics('bff').keys()])
      const recorded = new Set(rules.flatMap(({ record }) => record ?? []))
      const isTheirs = (name: string): boolean =>
        theirs.has(name.replace(/_(bucket|count|sum)$/, '')) ||
        recorded.has(name) ||
        name.startsWith('nodejs_') ||
        name === 'up'
      const isOfOthers = (expr: string): boolean =>
        metricsOf(expr).some((name) => !isTheirs(name)) || /job="voicebox-app"/.test(expr)
      const kept = new Set(rules.map(({ alert, record }) => alert ?? record))
      for (const [name, { expr }] of known)
        if (!name?.startsWith('CertificateExpires')) expect(isOfOthers(expr), name).toBe(!kept.has(name))
      for (const name of ['ServiceDown', 'BffDown', 'HighErrorRate', 'CertificateExpiresSoon'])
        expect(kept).toContain(name)
    })

    it('has rules that Prometheus takes', () => {
      const { spec } = manifest(objects('overseas'), 'PrometheusRule', 'llm-ferry')
      const file = join(copy.folder, 'rules.yml')
      writeFileSync(file, JSON.stringify(spec))
      const { status, output } = runProgram('promtool', ['check', 'rules', '--lint-fatal', file])
      expect(status, output).toBe(0)
    })

    it.each(['overseas', 'domestic'])(
      '%s: has the label that its Prometheus selects by, and takes another',
      (overlay) => {
        const labels = (text: string): unknown[] => ofOperator(text).map(({ metadata }) => metadata.labels?.release)
        expect(labels(texts[overlay] ?? '')).toEqual([
          'kube-prometheus-stack',
          'kube-prometheus-stack',
          'kube-prometheus-stack',
        ])
        const path = `overlays/${overlay}/kustomization.yaml`
        const text = readFileSync(join(copy.folder, 'kubernetes', path), 'utf8')
        const patched = text
          .replace(/^( *)# (.*\n)(?=(.*\n){0,3}.*metadata\/labels\/release)/gm, (line, indent, rest) =>
            /patches:|target:|patch:/.test(rest) ? `${indent}${rest}` : line,
          )
          .replace(/^( *)# (.*metadata\/labels\/release)/m, '$1$2')
          .replace('value: kube-prometheus-stack', 'value: mine')
        copy.write(path, patched)
        expect(labels(copy.render(`overlays/${overlay}`))).toEqual(['mine', 'mine', 'mine'])
        copy.write(path, text)
      },
    )

    it('gives each process the labels that the alerts name, by a real Prometheus', async () => {
      const [relay, bff] = [
        manifest(objects('overseas'), 'PodMonitor', 'relay'),
        manifest(objects('domestic'), 'PodMonitor', 'bff'),
      ].map(({ spec }) => spec.podMetricsEndpoints)
      const jobs = [
        ...relay.map((endpoint: Endpoint, i: number) => scrapeOf(endpoint, `relay-${i + 1}`, 'relay-0')),
        ...bff.map((endpoint: Endpoint) => scrapeOf(endpoint, 'bff', 'bff-5c9f')),
      ]
      expect(await targetLabels({ scrape_configs: jobs })).toEqual([
        { job: 'llm-proxy', instance: 'relay-0/relay-1', host: 'relay-0', relay: 'relay-1' },
        { job: 'llm-proxy', instance: 'relay-0/relay-2', host: 'relay-0', relay: 'relay-2' },
        { job: 'ferry-bff', instance: 'bff-5c9f' },
      ])
    })
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

interface Endpoint {
  readonly port: string
  readonly relabelings: readonly Readonly<Record<string, unknown>>[]
}

/** What the operator makes of an endpoint, for one container that discovery has found. */
function scrapeOf({ port, relabelings }: Endpoint, container: string, pod: string): object {
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return {
    job_name: `podMonitor/llm-ferry/${container}/${port}`,
    static_configs: [
      {
        targets: ['127.0.0.1:1'],
        labels: { __meta_kubernetes_pod_name: pod, __meta_kubernetes_pod_container_name: container },
      },
    ],
    relabel_configs: relabelings.map((one) =>
      Object.fromEntries(Object.entries(one).map(([name, value]) => [snake(name), value])),
    ),
  }
}

/** The labels of each target, as Prometheus has them after relabelling. */
async function targetLabels(config: object): Promise<readonly Record<string, string>[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-prometheus-'))
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config))
  const address = `127.0.0.1:${await freePort()}`
  const flags = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`]
  const prometheus = startProgram('prometheus', [...flags, `--web.listen-address=${address}`])
  const ask = (): Promise<{ data: { activeTargets: { labels: Record<string, string> }[] } } | undefined> =>
    fetch(`http://${address}/api/v1/targets`).then(
      (answer) => (answer.ok ? answer.json() : undefined) as never,
      () => undefined,
    )
  const found = async (): Promise<readonly Record<string, string>[]> =>
    ((await ask())?.data.activeTargets ?? []).map(({ labels }) => labels)
  try {
    await eventually('it has found them', async () => (await found()).length === 3, 15_000)
    return (await found()).toSorted((a, b) => `${b.job} ${a.instance}`.localeCompare(`${a.job} ${b.instance}`))
  } finally {
    await prometheus.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
