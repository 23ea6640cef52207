import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parser } from '@prometheus-io/lezer-promql'
import { parse } from 'yaml'

export const MONITORING: string = fileURLToPath(new URL('../../deploy/monitoring', import.meta.url))

/** A rule of deploy/monitoring/prometheus/rules. */
export interface Rule {
  /** Its name in that folder. */
  readonly file: string
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: { readonly summary?: string; readonly runbook?: string }
}

const RULES = join(MONITORING, 'prometheus/rules')

/** All recording and alert rules. */
export function readRules(): readonly Rule[] {
  return readdirSync(RULES).flatMap((file) => {
    const { groups } = parse(readFileSync(join(RULES, file), 'utf8')) as { groups: { rules: Omit<Rule, 'file'>[] }[] }
    return groups.flatMap(({ rules }) => rules.map((rule) => ({ ...rule, file })))
  })
}

/** A dashboard's queries, with where they stand. */
export interface PanelQuery {
  readonly where: string
  readonly expr: string
}

/** Every query of every dashboard file. */
export function readPanelQueries(): readonly PanelQuery[] {
  const folder = join(MONITORING, 'grafana/dashboards')
  return readdirSync(folder).flatMap((file) => {
    const { panels } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
      panels: { title: string; targets?: { expr: string }[] }[]
    }
    return panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ where: `${file}: ${title}`, expr })),
    )
  })
}

/** The metrics that an expression selects. Throws where it is no PromQL. */
export function metricsOf(expr: string): readonly string[] {
  const names: string[] = []
  parser.parse(expr).iterate({
    enter: ({ type, from, to, node }) => {
      if (type.isError) throw new Error(`no PromQL at ${from}: ${expr}`)
      if (type.name === 'Identifier' && node.parent?.type.name === 'VectorSelector') names.push(expr.slice(from, to))
    },
  })
  return names
}

/** A row of docs/deploy/monitoring.md about normal ranges. */
export interface NormalRange {
  readonly normal: string
  readonly expr: string
  readonly alerts: readonly string[]
}

/** @param language `` or `.zh-CN`. */
export function readNormalRanges(language: string): readonly NormalRange[] {
  const page = readFileSync(new URL(`../../docs/deploy/monitoring${language}.md`, import.meta.url), 'utf8')
  const rows = page.matchAll(/^\| [^|]+ \| ([^|]+) \| `((?:[^`\\]|\\.)+)` \| ([^|]+) \|$/gm)
  return [...rows].map(([, normal = '', expr = '', alerts = '']) => ({
    normal,
    expr: expr.replaceAll('\\|', '|'),
    alerts: [...alerts.matchAll(/\[(\w+)\]\(runbooks\/\1\.md\)/g)].map(([, name = '']) => name),
  }))
}
