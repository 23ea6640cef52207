import { readFileSync } from 'node:fs'

/** What a metric is, by its documentation or its page. */
export interface MetricKind {
  readonly type: string
  readonly labels: readonly string[]
}

/** The parts of docs/metrics.md. */
const PARTS = { relay: 'Relay', bff: 'BFF', hosts: 'Hosts' } as const

/** The tables of docs/metrics.md for one service, or for what hosts tell by node exporter. */
export function readDocumentedMetrics(side: keyof typeof PARTS): Map<string, MetricKind> {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
  const part = page.split('\n## ').find((text) => text.startsWith(`${PARTS[side]}\n`)) ?? ''
  const rows = part.matchAll(/^\| `(\w+)` \| (\w+)(?:: ([\w, ]+))? \|/gm)
  return new Map(
    [...rows].map(([, name = '', type = '', labels]) => [name, { type, labels: labels?.split(', ') ?? [] }]),
  )
}

/** A page of Prometheus text; Node's own metrics left out. */
export function readServedMetrics(page: string): Map<string, MetricKind> {
  const kinds = [...page.matchAll(/^# TYPE (\w+) (\w+)$/gm)].filter(([, name = '']) => !/^(process|nodejs)_/.test(name))
  return new Map(
    kinds.map(([, name = '', type = '']) => {
      const samples = page.matchAll(new RegExp(`^${name}(?:_bucket|_sum|_count)?\\{([^}]*)\\}`, 'gm'))
      const labels = [...samples].flatMap(([, text = '']) =>
        [...text.matchAll(/(\w+)="/g)].map(([, label = '']) => label),
      )
      return [name, { type, labels: [...new Set(labels)].filter((label) => label !== 'le') }]
    }),
  )
}
