// Writes deploy/monitoring/grafana/dashboards from boards.ts: `node tools/dashboards/main.ts` (a test compares).
import { writeFileSync } from 'node:fs'
import { BOARDS } from './boards.ts'
import { buildDashboard } from './build.ts'

/** The files of the dashboards, by name. */
export function dashboardFiles(): ReadonlyMap<string, string> {
  return new Map(BOARDS.map((board) => [`${board.uid}.json`, `${JSON.stringify(buildDashboard(board), null, 2)}\n`]))
}

if (import.meta.main) {
  const folder = new URL('../../deploy/monitoring/grafana/dashboards/', import.meta.url)
  for (const [name, text] of dashboardFiles()) writeFileSync(new URL(name, folder), text)
}
