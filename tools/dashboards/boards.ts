import type { Board } from './build.ts'

const overview: Board = {
  uid: 'ferry-overview',
  title: 'overview',
  rows: {
    'What users see': [
      {
        title: 'Calls',
        unit: 'reqps',
        queries: [['sum by (vendor) (rate(http_requests_total{job="ferry-bff",vendor!="none"}[5m]))', '{{vendor}}']],
      },
      {
        title: 'Success',
        unit: 'percentunit',
        about: 'Above 99 %. Answers that broke in mid-stream count as failed.',
        queries: [['ferry:calls:success_ratio_rate5m', 'calls that end well']],
      },
      {
        title: 'Time to the first byte',
        unit: 's',
        about: 'P95 below 2 s; reasoning models think longer.',
        queries: [
          ['ferry:first_byte_seconds:p95_rate5m', 'P95'],
          ['histogram_quantile(0.5, sum by (le) (rate(ferry_first_byte_seconds_bucket[5m])))', 'median'],
        ],
      },
    ],
    Errors: [
      { title: 'By code', unit: 'reqps', queries: [['sum by (code) (rate(ferry_errors_total[5m]))', '{{code}}']] },
      {
        title: 'Share of 5xx',
        unit: 'percentunit',
        about: 'Below 1 %; the alert is at 5 %.',
        queries: [['job:http_requests_5xx:ratio_rate5m', '{{job}}']],
      },
      { title: 'Targets that answer', unit: 'short', queries: [['sum by (job) (up)', '{{job}}']] },
    ],
    'The BFF': [
      { title: 'Open streams', unit: 'short', queries: [['sum by (instance) (ferry_open_streams)', '{{instance}}']] },
      { title: 'Models that rest', unit: 'short', queries: [['sum by (vendor) (ferry_breakers_open)', '{{vendor}}']] },
      {
        title: 'Event loop, lag P99',
        unit: 's',
        about: 'Above 0.2 s the process has more work than its core does.',
        queries: [['nodejs_eventloop_lag_p99_seconds{job="ferry-bff"}', '{{instance}}']],
      },
    ],
    'What runs': [
      {
        title: 'Processes by version',
        unit: 'short',
        about: 'Two versions for longer than an upgrade takes: one side was left behind.',
        queries: [['count by (job, version, commit) (ferry_build_info)', '{{job}} {{version}} {{commit}}']],
      },
      {
        title: 'Started',
        unit: 's',
        about: 'Time since. One that is young again and again dies: look at its log.',
        queries: [['time() - process_start_time_seconds{job=~"llm-proxy|ferry-bff"}', '{{job}} {{instance}}']],
      },
      {
        title: 'Memory of the BFFs',
        unit: 'bytes',
        queries: [['process_resident_memory_bytes{job="ferry-bff"}', '{{instance}}']],
      },
    ],
  },
}

const border: Board = {
  uid: 'ferry-border',
  title: 'border link',
  rows: {
    'The line': [
      {
        title: 'Segments sent again',
        unit: 'percentunit',
        about: 'By the hosts overseas, towards China. Evenings reach several per cent.',
        queries: [['instance:node_tcp:retransmitted_ratio_rate5m', '{{instance}}']],
      },
      {
        title: 'Round trip from here, HTTPS',
        unit: 's',
        about: 'A GET of /health on a new connection: about four round trips.',
        queries: [['sum by (instance) (probe_duration_seconds)', '{{instance}}']],
      },
      {
        title: 'Certificates, days left',
        unit: 'd',
        queries: [['(probe_ssl_earliest_cert_expiry - time()) / 86400', '{{instance}}']],
      },
    ],
    'The link': [
      {
        title: 'Round trip of requests',
        unit: 's',
        queries: [['max by (relay) (link_round_trip_seconds)', '{{relay}}']],
      },
      {
        title: 'Connections lost under an exchange',
        unit: 'reqps',
        about: 'Users notice nothing: the exchange goes on.',
        queries: [['sum by (relay, cause) (rate(link_reconnects_total[5m]))', '{{relay}} {{cause}}']],
      },
      {
        title: 'Lost exchanges and duplicate vendor calls',
        unit: 'short',
        about: 'Duplicates must stay 0.',
        queries: [
          ['sum(link_lost_exchanges_total)', 'lost'],
          ['sum(relay_link_duplicate_calls_total)', 'duplicate calls'],
        ],
      },
    ],
    'What crosses it': [
      {
        title: 'Bytes',
        unit: 'Bps',
        queries: [['sum by (direction) (rate(relay_body_bytes_total[5m]))', '{{direction}}']],
      },
      {
        title: 'How exchanges end',
        unit: 'reqps',
        about: 'upstream_truncated and drained are answers that users did not get whole.',
        queries: [['sum by (outcome) (rate(relay_exchanges_total[5m]))', '{{outcome}}']],
      },
      {
        title: 'Exchanges under way',
        unit: 'short',
        queries: [['sum by (instance) (relay_open_exchanges)', '{{instance}}']],
      },
    ],
    'Where the time goes': [
      {
        title: 'To the vendor’s head, P95',
        unit: 's',
        queries: [['relay:vendor_head_seconds:p95_rate5m', '{{vendor}}']],
      },
      {
        title: 'To the first byte at the relay, P95',
        unit: 's',
        queries: [
          ['histogram_quantile(0.95, sum by (le, vendor) (rate(relay_first_byte_seconds_bucket[5m])))', '{{vendor}}'],
        ],
      },
      {
        title: 'To the first byte at the BFF, P95',
        unit: 's',
        about: 'What it is above the relay’s is the border.',
        queries: [
          ['histogram_quantile(0.95, sum by (le, vendor) (rate(ferry_first_byte_seconds_bucket[5m])))', '{{vendor}}'],
        ],
      },
    ],
  },
}

const vendors: Board = {
  uid: 'ferry-vendors',
  title: 'vendors and cost',
  rows: {
    Vendors: [
      {
        title: 'Answers by status',
        unit: 'reqps',
        queries: [
          [
            'sum by (vendor, status) (rate(http_requests_total{job="llm-proxy",vendor!="none"}[5m]))',
            '{{vendor}} {{status}}',
          ],
        ],
      },
      {
        title: 'Keys that rest',
        unit: 'short',
        about: 'All of a vendor at 1: no key is left.',
        queries: [['max by (vendor, key) (relay_vendor_key_resting)', '{{vendor}} {{key}}']],
      },
      {
        title: 'Attempts for each call',
        unit: 'short',
        about: '1 when nothing is repeated.',
        queries: [
          [
            'sum by (vendor) (rate(ferry_attempts_total[5m])) / (sum by (vendor) (rate(ferry_request_duration_seconds_count[5m])) > 0)',
            '{{vendor}}',
          ],
        ],
      },
    ],
    'Cost, as the ledger has it': [
      {
        title: 'Cost by vendor, an hour',
        unit: 'currencyUSD',
        queries: [['sum by (vendor) (increase(ferry_cost_usd_total[1h]))', '{{vendor}}']],
      },
      {
        title: 'Cost by model, an hour',
        unit: 'currencyUSD',
        about: 'By key, user and label it is in GET /admin/v1/usage: metrics name no key.',
        queries: [['topk(10, sum by (vendor, model) (increase(ferry_cost_usd_total[1h])))', '{{vendor}}/{{model}}']],
      },
      {
        title: 'Cost of the last 24 hours',
        unit: 'currencyUSD',
        about: 'Without the calls whose model has no price, below. Bill from the ledger.',
        queries: [
          ['sum by (vendor) (increase(ferry_cost_usd_total[24h]))', '{{vendor}}'],
          ['sum(increase(ferry_cost_usd_total[24h]))', 'all'],
        ],
      },
    ],
    Tokens: [
      {
        title: 'Tokens a minute',
        unit: 'short',
        queries: [['60 * sum by (vendor, kind) (rate(ferry_tokens_total[5m]))', '{{vendor}} {{kind}}']],
      },
      {
        title: 'Tokens in 24 hours',
        unit: 'short',
        queries: [['sum by (vendor, kind) (increase(ferry_tokens_total[24h]))', '{{vendor}} {{kind}}']],
      },
      {
        title: 'Saved by the cache, an hour',
        unit: 'currencyUSD',
        queries: [['sum(increase(ferry_cache_saved_dollars_total[1h]))', 'saved']],
      },
    ],
    'How long': [
      {
        title: 'Total time, P95',
        unit: 's',
        queries: [
          [
            'histogram_quantile(0.95, sum by (le, vendor) (rate(ferry_request_duration_seconds_bucket[5m])))',
            '{{vendor}}',
          ],
        ],
      },
      {
        title: 'Errors by vendor',
        unit: 'reqps',
        queries: [['sum by (vendor, code) (rate(ferry_errors_total{vendor!="none"}[5m]))', '{{vendor}} {{code}}']],
      },
      {
        title: 'Calls without a price in 24 hours',
        unit: 'short',
        about: 'Above 0 the cost lacks them: add the model under prices in FERRY_CONFIG.',
        queries: [['sum by (vendor) (increase(ferry_unpriced_calls_total[24h]))', '{{vendor}}']],
      },
    ],
  },
}

const tenants: Board = {
  uid: 'ferry-tenants',
  title: 'tenants and limits',
  rows: {
    Limits: [
      {
        title: 'Refusals by limit',
        unit: 'reqps',
        about: 'Who it was is in the access log and in GET /v1/usage: metrics name no key.',
        queries: [['sum by (limit) (rate(ferry_limit_refusals_total[5m]))', '{{limit}}']],
      },
      {
        title: 'Answers by status',
        unit: 'reqps',
        queries: [['sum by (status) (rate(http_requests_total{job="ferry-bff"}[5m]))', '{{status}}']],
      },
      {
        title: 'Repeats refused by a key’s budget',
        unit: 'reqps',
        queries: [['sum(rate(ferry_retry_budget_refusals_total[5m]))', 'refused']],
      },
    ],
    'The store of the counts': [
      {
        title: 'Calls on insurance',
        unit: 'reqps',
        about: 'Above 0 limits are loose: Redis is away.',
        queries: [['sum by (instance) (rate(ferry_insured_calls_total[5m]))', '{{instance}}']],
      },
      {
        title: 'Settlements that wait, or were lost',
        unit: 'short',
        queries: [
          ['sum(ferry_waiting_settlements)', 'waiting'],
          ['sum(ferry_lost_settlements_total)', 'lost'],
          ['sum(ferry_abandoned_calls_total)', 'abandoned calls'],
        ],
      },
      { title: 'Redis: memory', unit: 'bytes', queries: [['redis_memory_used_bytes', '{{store}} {{instance}}']] },
    ],
  },
}

const host: Board = {
  uid: 'ferry-host',
  title: 'relay host',
  rows: {
    Machine: [
      {
        title: 'CPU',
        unit: 'percentunit',
        about: 'Below 70 %.',
        queries: [['instance:node_cpu:busy_ratio_rate5m', '{{instance}}']],
      },
      {
        title: 'Memory',
        unit: 'percentunit',
        about: 'Below 80 %.',
        queries: [['instance:node_memory:used_ratio', '{{instance}}']],
      },
      {
        title: 'Disk',
        unit: 'percentunit',
        about: 'Below 80 %.',
        queries: [
          ['max by (host, instance, mountpoint) (instance:node_filesystem:used_ratio)', '{{host}} {{mountpoint}}'],
        ],
      },
    ],
    Backups: [
      {
        title: 'Age of the last backup',
        unit: 's',
        about: 'Below 26 hours.',
        queries: [['time() - ferry_backup_last_success_timestamp_seconds', '{{instance}}']],
      },
      { title: 'Its size', unit: 'bytes', queries: [['ferry_backup_size_bytes', '{{instance}}']] },
    ],
    'Relay processes': [
      {
        title: 'Memory',
        unit: 'bytes',
        queries: [['process_resident_memory_bytes{job="llm-proxy"}', '{{instance}}']],
      },
      {
        title: 'CPU',
        unit: 'percentunit',
        about: 'Of one core; a relay process cannot use more.',
        queries: [['rate(process_cpu_seconds_total{job="llm-proxy"}[5m])', '{{instance}}']],
      },
      {
        title: 'Event loop, lag P99',
        unit: 's',
        queries: [['nodejs_eventloop_lag_p99_seconds{job="llm-proxy"}', '{{instance}}']],
      },
    ],
    'nginx and the network': [
      { title: 'Connections at nginx', unit: 'short', queries: [['nginx_connections_active', '{{instance}}']] },
      { title: 'Requests at nginx', unit: 'reqps', queries: [['rate(nginx_http_requests_total[5m])', '{{instance}}']] },
      {
        title: 'Sent to callers',
        unit: 'Bps',
        queries: [['sum by (host, relay) (rate(relay_body_bytes_total{direction="out"}[5m]))', '{{host}} {{relay}}']],
      },
    ],
  },
}

/** The dashboards; one file each below deploy/monitoring/grafana/dashboards. */
export const BOARDS: readonly Board[] = [overview, border, vendors, tenants, host]
