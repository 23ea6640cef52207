import { VizLegendOptionsBuilder } from '@grafana/grafana-foundation-sdk/common'
import { DashboardBuilder, DashboardCursorSync, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/timeseries'

/** A query and how its lines are named (`{{label}}`). */
export type Query = readonly [expr: string, legend: string]

/** One graph. */
export interface Graph {
  readonly title: string
  /** One of Grafana's units: `reqps`, `percentunit`, `s`, `bytes`, `Bps`, `short`, `currencyUSD`. */
  readonly unit: string
  readonly queries: readonly Query[]
  /** What to watch, shown at the graph's title. */
  readonly about?: string
}

/** A dashboard: rows of graphs. */
export interface Board {
  readonly uid: string
  readonly title: string
  readonly rows: Readonly<Record<string, readonly Graph[]>>
}

/** The data source that deploy/monitoring provisions. */
const SOURCE = { type: 'prometheus', uid: 'ferry-prometheus' } as const
/** Grafana's grid has 24 columns. */
const GRAPH = { width: 8, height: 8 } as const

/** The dashboard as Grafana reads it from a file. */
export function buildDashboard({ uid, title, rows }: Board): unknown {
  const dashboard = new DashboardBuilder(`LLM Ferry: ${title}`)
    .uid(uid)
    .tags(['llm-ferry'])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
  let id = 0
  for (const [name, graphs] of Object.entries(rows)) {
    dashboard.withRow(new RowBuilder(name).id(++id))
    for (const graph of graphs) dashboard.withPanel(panel(graph, ++id))
  }
  return dashboard.build()
}

function panel({ title, unit, queries, about }: Graph, id: number): PanelBuilder {
  const built = new PanelBuilder().id(id).title(title).unit(unit).datasource(SOURCE).min(0).fillOpacity(8)
  built.legend(new VizLegendOptionsBuilder().showLegend(true)).span(GRAPH.width).height(GRAPH.height)
  if (about !== undefined) built.description(about)
  for (const [i, [expr, legend]] of queries.entries()) {
    const refId = String.fromCharCode('A'.charCodeAt(0) + i)
    built.withTarget(new DataqueryBuilder().refId(refId).expr(expr).legendFormat(legend).datasource(SOURCE).range())
  }
  return built
}
