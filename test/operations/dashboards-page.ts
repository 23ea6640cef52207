import { fileURLToPath } from 'node:url'
import { BOARDS } from '../../tools/dashboards/boards.ts'
import { BOARDS as BOARDS_ZH, PANELS as PANELS_ZH } from './dashboards-zh.ts'
import type { Sample } from './monitoring-stack.ts'

const page = (name: string): string => fileURLToPath(new URL(`../../docs/deploy/${name}`, import.meta.url))
/** The page in both languages. */
export const DASHBOARDS_PAGES = { english: page('dashboards.md'), chinese: page('dashboards.zh-CN.md') } as const

const ENGLISH = `# Dashboards

**English** · [简体中文](dashboards.zh-CN.md)

What each panel of [deploy/monitoring](../../deploy/monitoring/README.md) showed in a run of it: a real Prometheus with all its
exporters before nginx, two relays, two BFFs and Redis, chats of three vendors flowing, one vendor down, a relay killed and Redis
frozen for a moment. \`UPDATE_DOCS=1 npx vitest run --project operations test/operations/monitoring.test.ts\` writes this page.
The vendors are a sandbox, so times and money are small; the machine of two cores had other work besides.
`
const CHINESE = `# 面板

[English](dashboards.md) · **简体中文**

[deploy/monitoring](../../deploy/monitoring/README.zh-CN.md) 各面板在一次真实运行中的数值：真实的 Prometheus 与全部 exporter，nginx、两个 relay、
两个 BFF、Redis，三家厂商的对话流量，其中一家厂商不可用，期间杀掉一个 relay、短暂冻结 Redis。本页由
\`UPDATE_DOCS=1 npx vitest run --project operations test/operations/monitoring.test.ts\` 写出。厂商为沙箱，因此耗时与费用都很小；双核机器上同时还有其他负载。
面板名与 Grafana 中一致。
`
/** Lines of a panel that are shown. */
const MAX_LINES = 6

/** A line of a panel; the first of a panel or query names it. */
interface Line {
  readonly panel: string
  readonly query: string
  readonly line: string
  readonly value: string
}

/** The page in both languages: a table for each dashboard, a row for each line of each panel. */
export async function renderDashboards(
  query: (expr: string) => Promise<readonly Sample[]>,
): Promise<Readonly<Record<keyof typeof DASHBOARDS_PAGES, string>>> {
  const boards: [title: string, lines: readonly Line[]][] = []
  for (const { title, rows } of BOARDS) boards.push([title, await linesOf(Object.values(rows).flat(), query)])
  const english = boards.map(([title, lines]) =>
    table(title, ['panel', 'query', 'line', 'value'], (panel) => [panel], lines),
  )
  const chinese = boards.map(([title, lines]) =>
    table(
      `${title}（${BOARDS_ZH[title]}）`,
      ['面板', '含义', '查询', '曲线', '数值'],
      (panel) => [panel, PANELS_ZH[panel] ?? ''],
      lines,
    ),
  )
  return { english: [ENGLISH, ...english].join('\n'), chinese: [CHINESE, ...chinese].join('\n') }
}

async function linesOf(
  graphs: (typeof BOARDS)[number]['rows'][string],
  query: (expr: string) => Promise<readonly Sample[]>,
): Promise<readonly Line[]> {
  const lines: Line[] = []
  for (const { title, unit, queries } of graphs)
    for (const [i, [expr, legend]] of queries.entries()) {
      // What else is mounted on the machine of the run is nobody's concern.
      const samples = (await query(expr)).filter(({ metric }) => (metric.mountpoint ?? '/') === '/')
      for (const [at, sample] of samples.slice(0, MAX_LINES).entries())
        lines.push({
          panel: at === 0 && i === 0 ? title : '',
          query: at === 0 ? code(expr) : '',
          line: named(legend, sample),
          value: shown(Number(sample.value[1]), unit),
        })
      const more = samples.length - MAX_LINES
      if (more > 0) lines.push({ panel: '', query: '', line: `… +${more}`, value: '' })
    }
  return lines
}

/** @param names what stands for a panel: as many cells as there are heads before the query's. */
const table = (
  title: string,
  heads: readonly string[],
  names: (panel: string) => readonly string[],
  lines: readonly Line[],
): string => {
  const rows = lines.map(({ panel, query, line, value }) => [...names(panel), query, line, value])
  const divider = heads.map(() => '---').join('|')
  return `## ${title}\n\n| ${heads.join(' | ')} |\n|${divider}|\n${rows.map((row) => `| ${row.join(' | ')} |\n`).join('')}`
}

/** What the page says of a query. */
export const code = (expr: string): string => `\`${expr.replaceAll('|', '\\|')}\``

/** As Grafana fills a legend in; what differs from run to run is left out. */
const named = (legend: string, { metric }: Sample): string =>
  legend
    .replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? '')
    .replace(/(localhost|127\.0\.0\.1):\d+/g, '$1')
    .trim()

function shown(value: number, unit: string): string {
  if (!Number.isFinite(value)) return '–'
  const rounded = (number: number): string => String(Number(number.toPrecision(3)))
  switch (unit) {
    case 'percentunit':
      return `${rounded(value * 100)} %`
    case 's':
      return value < 1 ? `${rounded(value * 1000)} ms` : `${rounded(value)} s`
    case 'd':
      return `${rounded(value)} days`
    case 'bytes':
      return `${rounded(value / 2 ** 20)} MiB`
    case 'Bps':
      return `${rounded(value / 1024)} KiB/s`
    case 'reqps':
      return `${rounded(value)} /s`
    case 'currencyUSD':
      return `${Number(value.toPrecision(3))} USD`
    default:
      return rounded(value)
  }
}
