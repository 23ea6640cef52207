import { fileURLToPath } from 'node:url'
import { BOARDS } from '../../tools/dashboards/boards.ts'
import type { Sample } from './monitoring-stack.ts'

export const DASHBOARDS_PAGE: string = fileURLToPath(new URL('../../docs/deploy/dashboards.md', import.meta.url))

const HEAD = `# Dashboards

What each panel of [deploy/monitoring](../../deploy/monitoring/README.md) showed in a run of it: a real Prometheus with all its
exporters before nginx, two relays, two BFFs and Redis, chats of three vendors flowing, one vendor down, a relay killed and Redis
frozen for a moment. \`UPDATE_DOCS=1 npx vitest run --project operations test/operations/monitoring.test.ts\` writes this page.
The vendors are a sandbox, so times and money are small; the machine of two cores had other work besides.

各面板在一次真实运行中的数值：真实的 Prometheus 与全部 exporter，nginx、两个 relay、两个 BFF、Redis，三家厂商的对话流量，其中一家厂商
不可用，期间杀掉一个 relay、短暂冻结 Redis。厂商为沙箱，因此耗时与费用都很小；双核机器上同时还有其他负载。
`
/** Lines of a panel that are shown. */
const MAX_LINES = 6

/** The page: a table for each dashboard, a row for each line of each panel. */
export async function renderDashboards(query: (expr: string) => Promise<readonly Sample[]>): Promise<string> {
  const parts: string[] = [HEAD]
  for (const { title, rows } of BOARDS) {
    parts.push(`## ${title}\n\n| panel | query | line | value |\n|---|---|---|---|`)
    for (const graph of Object.values(rows).flat())
      for (const [i, [expr, legend]] of graph.queries.entries()) {
        // What else is mounted on the machine of the run is nobody's concern.
        const samples = (await query(expr)).filter(({ metric }) => (metric.mountpoint ?? '/') === '/')
        const lines = samples.slice(0, MAX_LINES).map((sample, at) => {
          const isFirst = at === 0
          const panel = isFirst && i === 0 ? graph.title : ''
          const line = named(legend, sample)
          return `| ${panel} | ${isFirst ? code(expr) : ''} | ${line} | ${shown(Number(sample.value[1]), graph.unit)} |`
        })
        const more = samples.length - lines.length
        parts.push([...lines, ...(more > 0 ? [`| | | … ${more} more | |`] : [])].join('\n'))
      }
    parts.push('')
  }
  return `${parts.join('\n').trimEnd()}\n`
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
