import { ADMIN_USAGE_BREAKDOWNS, type AdminUsageReport } from '../../schema/usage-report.ts'
import { AdminClient } from '../admin-client.ts'
import { readArguments, SERVER_HELP, SERVER_OPTIONS } from '../arguments.ts'
import { type Command, wrongUse } from '../command.ts'
import { table } from '../table.ts'

const HELP = `ferry usage: what keys used

  ferry usage [--by key|user|model|day|hour] [--from DAY] [--to DAY] [--key KEY] [--user USER] [--top N] [--csv]

  --by WHAT            how finely; default key
  --from DAY           first day, such as 2026-11-01; default --to
  --to DAY             last day; default today, in the server's QUOTA_TIMEZONE
  --key KEY            one key alone, by id or name
  --user USER          one end user alone; not by hour
  --top N              most lines a day, those with the most calls; default 1000
  --csv                print comma-separated values, for spreadsheets

Options:
${SERVER_HELP}

Exit codes: 0 done, 1 refused by the server, 2 wrong command line, 3 server not reached.
`

const LABELS = ['day', 'hour', 'key_name', 'user', 'vendor', 'model'] as const
const AMOUNTS = ['calls', 'failed_calls', 'prompt_tokens', 'completion_tokens', 'cost_usd'] as const

export const usage: Command = {
  name: 'usage',
  summary: 'calls, tokens and money by key, user, model, day or hour; as a table or CSV',
  help: HELP,
  async run(args, context) {
    const text = { type: 'string' } as const
    const own = { by: text, from: text, to: text, key: text, user: text, top: text, csv: { type: 'boolean' } } as const
    const { values, positionals } = readArguments(args, { ...SERVER_OPTIONS, ...own })
    if (positionals.length > 0) throw wrongUse(`ferry usage: takes no ${positionals.join(' ')}`)
    const { by, from, to, key, user, top, csv, json } = values
    if (csv && json) throw wrongUse('--csv and --json: choose one')
    if (by !== undefined && !(ADMIN_USAGE_BREAKDOWNS as readonly string[]).includes(by)) {
      throw wrongUse(`--by ${by}: must be one of ${ADMIN_USAGE_BREAKDOWNS.join(', ')}`)
    }
    const given = Object.entries({ by, from, to, key, user, limit: top, ...(csv && { format: 'csv' }) })
    const query = new URLSearchParams(given.filter((pair): pair is [string, string] => pair[1] !== undefined))
    const answer = await new AdminClient(values, context).text('GET', `/usage?${query}`)
    if (csv) return context.out(answer)
    const report = JSON.parse(answer) as AdminUsageReport
    context.out(json ? `${JSON.stringify(report, null, 2)}\n` : asTable(report))
  },
}

function asTable({ data: lines, others = [] }: AdminUsageReport): string {
  const labels = LABELS.filter((label) => lines.some((row) => row[label] !== undefined))
  const [, first] = labels
  const data: AdminUsageReport['data'] = [
    ...lines,
    ...others.map((row) => (first === undefined ? row : { ...row, [first]: '(others)' })),
  ]
  const rows = data.map((row) => [...labels.map((label) => row[label]), ...AMOUNTS.map((amount) => row[amount])])
  const total = AMOUNTS.map((amount) => Math.round(data.reduce((sum, row) => sum + row[amount], 0) * 1e9) / 1e9)
  const head = [...labels, 'calls', 'failed', 'prompt', 'completion', 'usd']
  return data.length === 0
    ? 'Nothing was used.\n'
    : table(head, [...rows, ['total', ...labels.slice(1).map(() => ''), ...total]])
}
