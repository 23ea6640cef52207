import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { dashboardFiles } from '../../tools/dashboards/main.ts'
import { createCertificates } from '../testkit/certs.ts'
import { MONITORING, metricsOf, readPanelQueries, readRules } from './monitoring-files.ts'
import { runProgram } from './program.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const TESTS = join(MONITORING, 'prometheus/tests')
const alerts = readRules().filter(({ alert }) => alert !== undefined)

describe('deploy/monitoring, by its own checkers', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ferry-prometheus-'))
    cpSync(join(MONITORING, 'prometheus'), folder, { recursive: true })
    mkdirSync(join(folder, 'secrets'))
    const certificates = createCertificates()
    cpSync(certificates.certFile, join(folder, 'secrets/metrics-client.crt'))
    cpSync(certificates.keyFile, join(folder, 'secrets/metrics-client.key'))
    certificates.remove()
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('prometheus.yml and its rules are valid', () => {
    const { status, output } = runProgram('promtool', [
      'check',
      'config',
      '--lint-fatal',
      join(folder, 'prometheus.yml'),
    ])
    expect(output).not.toMatch(/FAILED|WARNING/)
    expect(status, output).toBe(0)
  })

  it('the rules fire and clear when they should', () => {
    const files = readdirSync(TESTS).map((file) => join(TESTS, file))
    const { status, output } = runProgram('promtool', ['test', 'rules', ...files])
    expect(status, output).toBe(0)
  })

  it('alertmanager.yml is valid', () => {
    const { status, output } = runProgram('amtool', ['check-config', join(MONITORING, 'alertmanager/alertmanager.yml')])
    expect(status, output).toBe(0)
  })

  it('scrapes every 15 s the jobs that operators know', () => {
    const { global, scrape_configs } = parse(readFileSync(join(MONITORING, 'prometheus/prometheus.yml'), 'utf8'))
    expect(global.scrape_interval).toBe('15s')
    const jobs = scrape_configs.map(({ job_name }: { job_name: string }) => job_name)
    expect(jobs).toEqual(['llm-proxy', 'ferry-bff', 'voicebox-app', 'redis', 'nginx', 'node', 'probe'])
  })
})

describe('every alert', () => {
  const tests = readdirSync(TESTS)
    .map((file) => readFileSync(join(TESTS, file), 'utf8'))
    .join('\n')
  it.each(alerts.map(({ alert, annotations }) => [alert, annotations?.runbook]))(
    '%s has a test and a runbook',
    (alert, runbook) => {
      // In a test it fires at least once.
      expect(tests).toMatch(new RegExp(`alertname: ${alert}\\s+exp_alerts:\\s+- exp_labels`))
      expect(runbook).toBe(`docs/deploy/runbooks/${alert}.md`)
      expect(existsSync(join(root, runbook ?? ''))).toBe(true)
    },
  )

  it('has a runbook that is of an alert', () => {
    const pages = readdirSync(join(root, 'docs/deploy/runbooks')).filter((file) => file !== 'README.md')
    expect(pages.toSorted()).toEqual(alerts.map(({ alert }) => `${alert}.md`).toSorted())
  })
})

describe('dashboards', () => {
  it.each([...dashboardFiles()])(
    '%s is what tools/dashboards says (node tools/dashboards/main.ts writes it)',
    (name, text) => {
      expect(readFileSync(join(MONITORING, 'grafana/dashboards', name), 'utf8')).toBe(text)
    },
  )

  it.each(readPanelQueries().map(({ where, expr }) => [where, expr]))('%s: %s is PromQL', (_, expr) => {
    expect(metricsOf(expr)).not.toEqual([])
  })

  it('does not take nonsense for PromQL', () => {
    expect(() => metricsOf('sum by (le (rate(up[5m]))')).toThrow('no PromQL')
  })
})
