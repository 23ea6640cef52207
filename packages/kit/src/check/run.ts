import { BUILD } from '../build.ts'
import type { ConfigError } from '../env.ts'
import type { Settings, Source } from '../env-file.ts'
import { scrubbed } from '../mask.ts'
import type { Check, CheckedField, Warning } from './check.ts'
import { type Row, rowsOf, secretsOf } from './rows.ts'
import { settingsWarnings } from './settings-warnings.ts'

/** How a check is printed. */
export interface CheckOptions {
  /** As JSON, for programs. */
  readonly json: boolean
  /** Faults and warnings alone. */
  readonly quiet: boolean
}

/** What a check found, as `--json` prints it. */
export interface CheckReport {
  readonly service: string
  readonly version: string
  readonly commit?: string | undefined
  readonly node: string
  /** Whether the service would start. */
  readonly ok: boolean
  readonly variables: readonly Row[]
  readonly fields: readonly CheckedField[]
  readonly faults: readonly string[]
  readonly warnings: readonly Warning[]
}

/** Checks a service's configuration. @returns whether it can be used, and the text to print; no secret is in it. */
export function runCheck(
  service: string,
  check: Check,
  settings: Settings,
  options: CheckOptions,
): { ok: boolean; text: string } {
  const checked = check(settings)
  const secrets = [...secretsOf(checked.variables, settings), ...checked.secrets]
  const report: CheckReport = {
    service,
    ...BUILD,
    ok: checked.faults.length === 0,
    variables: rowsOf(checked.variables, settings),
    fields: checked.fields,
    faults: checked.faults,
    warnings: [...settingsWarnings(checked.variables, settings), ...checked.warnings],
  }
  const text = options.json ? `${JSON.stringify(report, null, 2)}\n` : textOf(report, options.quiet)
  return { ok: report.ok, text: scrubbed(text, secrets) }
}

/** A report of settings that could not even be read. */
export function unreadable(service: string, { faults }: ConfigError, options: CheckOptions): string {
  const report = { service, ...BUILD, ok: false, variables: [], fields: [], faults, warnings: [] }
  return options.json ? `${JSON.stringify(report, null, 2)}\n` : textOf(report, options.quiet)
}

function textOf(
  { service, version, commit, variables, fields, faults, warnings }: CheckReport,
  quiet: boolean,
): string {
  const rows = [
    ...variables.map(({ name, value, unit, source }) => [name, valueText(value, unit), sourceText(source)]),
    ...fields.map(({ field, value, path, line }) => [field, value, `${path}:${line}`]),
  ]
  const table = quiet ? [] : [`${service} ${version}${commit ? ` (${commit})` : ''}`, '', ...columns(rows), '']
  const problems = [
    ...warnings.map(({ text, todo }) => `! ${text}\n  → ${todo}`),
    ...faults.map((fault) => `✗ ${fault}`),
  ]
  return `${[...table, ...problems, summary(service, faults.length, warnings.length)].join('\n')}\n`
}

function summary(service: string, faults: number, warnings: number): string {
  const warned = warnings === 0 ? '' : `, ${counted(warnings, 'warning')}`
  return faults === 0
    ? `${service}: the configuration can be used${warned}`
    : `${service}: it would not start: ${counted(faults, 'fault')}${warned}`
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

const valueText = (value: string | undefined, unit: string | undefined): string =>
  value === undefined ? '-' : unit === undefined ? value : `${value} ${unit}`

function sourceText(source: Source): string {
  if (source.kind === 'line') return `${source.path}:${source.line}`
  return source.kind === 'file' ? `file ${source.path}` : source.kind
}

/** A value longer than this does not push the sources out of sight. */
const WIDEST = 60

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const clean = rows.map((row) => row.map((text) => text.replace(/\p{Cc}/gu, '?')))
  const width = (column: number): number =>
    Math.max(0, ...clean.map((row) => row[column]?.length ?? 0).filter((length) => length <= WIDEST))
  const widths = [width(0), width(1)]
  return clean.map((row) =>
    row
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
