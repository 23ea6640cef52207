import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { MONITORING, readRules } from './monitoring-files.ts'
import { runProgram } from './program.ts'

const DAY = 86_400
const HOUR = 3600
const http = (status: string, job = 'ferry-bff'): string =>
  `http_requests_total{job="${job}",vendor="openai",method="POST",status="${status}"}`

/** Series: just short of the alert, and just beyond it. */
interface Case {
  readonly gauges?: Readonly<Record<string, readonly [below: number, beyond: number]>>
  /** What is added with each sample. */
  readonly counters?: Readonly<Record<string, readonly [below: number, beyond: number]>>
  /** Between two samples; more where the rule looks or waits for an hour. Default 1. */
  readonly minutes?: number
}
const target = (labels: string): Case => ({ gauges: { [`up{${labels}}`]: [1, 0] } })

const CASES: Readonly<Record<string, Case>> = {
  ServiceDown: target('job="llm-proxy",host="primary",relay="relay-1"'),
  BffDown: target('job="ferry-bff",instance="bff-1"'),
  VoiceBoxDown: target('job="voicebox-app"'),
  ExporterDown: { gauges: { 'nginx_up{job="nginx",instance="primary"}': [1, 0] } },
  PublicNameDown: { gauges: { 'probe_success{job="probe"}': [1, 0] } },
  HighErrorRate: { counters: { [http('200')]: [951, 949], [http('502')]: [49, 51] } },
  LowSuccessRate: {
    counters: { [http('200')]: [1000, 1000], 'ferry_errors_total{vendor="openai",code="vendor_error"}': [9, 11] },
  },
  // Of a hundred first bytes all but six, or five, come within 2 s.
  SlowFirstByte: {
    counters: {
      'ferry_first_byte_seconds_bucket{vendor="openai",le="2"}': [96, 94],
      'ferry_first_byte_seconds_bucket{vendor="openai",le="5"}': [100, 100],
      'ferry_first_byte_seconds_bucket{vendor="openai",le="+Inf"}': [100, 100],
    },
  },
  BreakerOpen: { gauges: { 'ferry_breakers_open{vendor="openai"}': [0, 1] } },
  EventLoopLag: { gauges: { 'nodejs_eventloop_lag_p99_seconds{job="llm-proxy"}': [0.19, 0.21] } },
  WorkerRestarted: { counters: { 'relay_worker_restarts_total{instance="a"}': [0, 1] } },
  KeyPoolExhausted: {
    gauges: {
      'relay_vendor_key_resting{instance="a",vendor="openai",key="openai-1"}': [1, 1],
      'relay_vendor_key_resting{instance="a",vendor="openai",key="openai-2"}': [0, 1],
    },
  },
  VendorKeyRejected: { counters: { 'relay_errors_total{vendor="openai",code="vendor_key_rejected"}': [0, 1] } },
  StrangersKnocking: { counters: { 'relay_errors_total{instance="a",code="authentication_failed"}': [59, 61] } },
  BorderLoss: {
    counters: {
      'node_netstat_Tcp_RetransSegs{instance="primary",side="overseas"}': [49, 51],
      'node_netstat_Tcp_OutSegs{instance="primary",side="overseas"}': [1000, 1000],
    },
  },
  BorderReconnects: {
    counters: {
      'link_reconnects_total{relay="a",cause="break"}': [19, 21],
      'link_exchanges_total{relay="a",outcome="complete"}': [100, 100],
    },
  },
  TruncatedAnswers: {
    counters: {
      'relay_exchanges_total{vendor="openai",outcome="completed"}': [991, 989],
      'relay_exchanges_total{vendor="openai",outcome="upstream_truncated"}': [9, 11],
    },
  },
  ExchangesLost: { counters: { 'ferry_errors_total{vendor="openai",code="exchange_lost"}': [0, 1] } },
  ClientCertificateRefused: { counters: { 'link_certificate_refusals_total{instance="bff-1",relay="a"}': [0, 1] } },
  DuplicateVendorCalls: { counters: { 'relay_link_duplicate_calls_total{instance="a"}': [0, 1] } },
  CertificateExpiresSoon: { gauges: { probe_ssl_earliest_cert_expiry: [15 * DAY, 10 * DAY] }, minutes: 3 },
  CertificateExpiresNow: { gauges: { probe_ssl_earliest_cert_expiry: [4 * DAY, 2 * DAY] } },
  QuotaOnInsurance: { counters: { 'ferry_insured_calls_total{instance="bff-1"}': [0, 1] } },
  QuotaStoreFaults: { counters: { 'ferry_store_faults_total{fault="timeout"}': [5, 7] } },
  SettlementsWaiting: { gauges: { 'ferry_waiting_settlements{instance="bff-1"}': [0, 1] } },
  SettlementsLost: { counters: { 'ferry_lost_settlements_total{instance="bff-1"}': [0, 1] }, minutes: 3 },
  RedisDown: { gauges: { 'redis_up{store="counters"}': [1, 0] } },
  CacheDown: { gauges: { 'redis_up{store="cache"}': [1, 0] } },
  RedisMemory: {
    gauges: {
      'redis_memory_used_bytes{store="counters"}': [79, 81],
      'redis_memory_max_bytes{store="counters"}': [100, 100],
    },
  },
  HighCpu: { counters: { 'node_cpu_seconds_total{instance="a",cpu="0",mode="idle"}': [18.6, 17.4] } },
  HighMemory: {
    gauges: {
      'node_memory_MemAvailable_bytes{instance="a"}': [21, 19],
      'node_memory_MemTotal_bytes{instance="a"}': [100, 100],
    },
  },
  HighDisk: {
    gauges: {
      'node_filesystem_avail_bytes{instance="a",mountpoint="/",fstype="ext4"}': [21, 19],
      'node_filesystem_size_bytes{instance="a",mountpoint="/",fstype="ext4"}': [100, 100],
    },
  },
  BackupFailed: { gauges: { 'ferry_backup_failed{instance="a"}': [0, 1] } },
  // Made before the first sample; its age grows from one to the next.
  BackupStale: {
    gauges: { 'ferry_backup_last_success_timestamp_seconds{instance="a"}': [-23.9 * HOUR, -25.2 * HOUR] },
  },
  // Every twelve minutes: none, or what empties it within the day.
  DiskFullSoon: {
    counters: { 'node_filesystem_avail_bytes{instance="a",mountpoint="/",fstype="ext4"}': [0, -1_000_000] },
    minutes: 12,
  },
}

const alerts = readRules().filter(({ alert }) => alert !== undefined)

it('has a case for each alert', () => {
  expect(Object.keys(CASES).toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted())
})

/** Of each of three phases: short of the alert, beyond it, and as at first. */
const SAMPLES = 40

it('stays silent just short of each threshold, fires beyond it, and clears again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-thresholds-'))
  const files = Object.entries(CASES).map(([alert, one]) => {
    const file = join(folder, `${alert}.yml`)
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(testOf(alert, one)))
    return file
  })
  const { status, output } = runProgram('promtool', ['test', 'rules', ...files])
  rmSync(folder, { recursive: true })
  expect(output).not.toContain('FAILED')
  expect(output.match(/SUCCESS/g)).toHaveLength(alerts.length)
  expect(status).toBe(0)
})

function testOf(alert: string, { gauges = {}, counters = {}, minutes = 1 }: Case): unknown {
  const rules = ['recording.yml', alerts.find((rule) => rule.alert === alert)?.file]
  const series = [
    ...Object.entries(gauges).map(([name, [below, beyond]]) => ({
      series: name,
      values: [below, beyond, below].map((value) => `${value}x${SAMPLES - 1}`).join(' '),
    })),
    ...Object.entries(counters).map(([name, steps]) => ({ series: name, values: climbing(name, steps) })),
  ]
  const expected = [0, 1, 0].map((value, phase) => ({
    expr: `max(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`,
    eval_time: `${((phase + 1) * SAMPLES - 1) * minutes}m`,
    exp_samples: [{ labels: '{}', value }],
  }))
  return {
    rule_files: rules.map((name) => join(MONITORING, `prometheus/rules/${name}`)),
    evaluation_interval: `${minutes}m`,
    tests: [{ interval: `${minutes}m`, input_series: series, promql_expr_test: expected }],
  }
}

/** A disk begins with 100 MB. */
function climbing(series: string, [below, beyond]: readonly [number, number]): string {
  let value = series.startsWith('node_filesystem') ? 100_000_000 : 0
  return [below, beyond, below]
    .map((step) => {
      const from = value
      value += step * SAMPLES
      return `${from}${step < 0 ? step : `+${step}`}x${SAMPLES - 1}`
    })
    .join(' ')
}

/** What the operators' handbook of the first generation says, word for word. */
it.each([
  ['HighErrorRate', 'job:http_requests_5xx:ratio_rate5m > 0.05', '5m', 'warning'],
  ['ServiceDown', 'up{job="llm-proxy"} == 0', '1m', 'critical'],
  ['SlowFirstByte', 'ferry:first_byte_seconds:p95_rate5m > 2', '5m', 'warning'],
  ['LowSuccessRate', 'ferry:calls:success_ratio_rate5m < 0.99', '5m', 'warning'],
  ['HighCpu', 'instance:node_cpu:busy_ratio_rate5m > 0.7', '10m', 'warning'],
  ['HighMemory', 'instance:node_memory:used_ratio > 0.8', '10m', 'warning'],
  ['HighDisk', 'instance:node_filesystem:used_ratio > 0.8', '10m', 'warning'],
])('%s is %s for %s, %s', (name, expr, wait, severity) => {
  expect(alerts.find(({ alert }) => alert === name)).toMatchObject({ expr, for: wait, labels: { severity } })
})

it('has a severity that alertmanager.yml routes, for each alert', () => {
  for (const { alert, labels } of alerts) expect(['warning', 'critical'], alert).toContain(labels?.severity)
})
