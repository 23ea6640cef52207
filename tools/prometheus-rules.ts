// Writes the alerts for the Prometheus operator from deploy/monitoring: `node tools/prometheus-rules.ts` (a test compares).
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'

const RULES = new URL('../deploy/monitoring/prometheus/rules/', import.meta.url)
/** Where the object is. */
export const PROMETHEUS_RULE: string = fileURLToPath(
  new URL('../deploy/kubernetes/components/monitoring/prometheus-rule.yaml', import.meta.url),
)
/** Of what a cluster's own stack watches: machines, exporters, Redis, names. They would find those of others too. */
const OTHERS =
  /^(instance:node_.*|VoiceBoxDown|ExporterDown|PublicNameDown|BorderLoss|RedisDown|CacheDown|RedisMemory|High(Cpu|Memory|Disk)|DiskFullSoon|Backup(Failed|Stale))$/
const HEAD = `# Written by tools/prometheus-rules.ts from deploy/monitoring/prometheus/rules: change those. Left out is what the cluster's own
# stack watches: machines, Redis, nginx, public names.
`

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
}

/** The PrometheusRule as text. */
export function prometheusRule(): string {
  const groups = readdirSync(RULES)
    .toSorted()
    .flatMap((file) => {
      const { groups } = parse(readFileSync(new URL(file, RULES), 'utf8')) as { groups: { rules: readonly Rule[] }[] }
      return groups
    })
    .map(({ rules, ...group }) => ({
      ...group,
      rules: rules
        .filter(({ alert, record }) => !OTHERS.test(alert ?? record ?? ''))
        // Of many lines; a formatter would fold them anew.
        .map((rule) => ({ ...rule, expr: rule.expr.replace(/\s+/g, ' ') })),
    }))
    .filter(({ rules }) => rules.length > 0)
  const object = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: {
      name: 'llm-ferry',
      labels: { 'app.kubernetes.io/part-of': 'llm-ferry', release: 'kube-prometheus-stack' },
    },
    spec: { groups },
  }
  return `${HEAD}${stringify(object, { lineWidth: 100 })}`
}

if (import.meta.main) writeFileSync(PROMETHEUS_RULE, prometheusRule())
