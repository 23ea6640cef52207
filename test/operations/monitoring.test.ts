import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import { code, DASHBOARDS_PAGES, renderDashboards } from './dashboards-page.ts'
import { readDocumentedMetrics, readServedMetrics } from './metrics-page.ts'
import { metricsOf, readNormalRanges, readPanelQueries, readRules } from './monitoring-files.ts'
import { type MonitoringStack, startMonitoring } from './monitoring-stack.ts'
import { startWatchedFerry, type WatchedFerry } from './watched-ferry.ts'

/** nginx, relays, BFFs and Redis, scraped and alerted on by what deploy/monitoring says, only faster. */
describe('deploy/monitoring, before the running services', () => {
  let ferry: WatchedFerry
  let monitoring: MonitoringStack
  const query: MonitoringStack['query'] = (expr) => monitoring.query(expr)

  beforeAll(async () => {
    ferry = await startWatchedFerry()
    monitoring = await startMonitoring(ferry)
    await ferry.traffic()
    await ferry.outageOfRedis()
    await eventually(
      'what there is was scraped',
      async () => (await query('ferry_store_faults_total')).length > 0,
      30_000,
    )
    // Rates need counters that grow from one scrape to the next.
    await ferry.traffic()
  }, 120_000)
  afterAll(async () => {
    await monitoring?.stop()
    await ferry?.stop()
  }, 60_000)

  it('scrapes all that up.sh writes into targets: relays, machines and nginx overseas by client certificate', async () => {
    const jobs = ['llm-proxy', 'llm-proxy', 'ferry-bff', 'ferry-bff', 'voicebox-app', 'redis']
    const expected = [...jobs, 'nginx', 'nginx', 'node', 'node', 'probe'].toSorted()
    const up = async (): Promise<string[]> => (await query('up == 1')).map(({ metric }) => metric.job ?? '').toSorted()
    await eventually('all targets are up', async () => (await up()).length >= expected.length, 20_000).catch(() => {})
    expect(await monitoring.faults()).toEqual([])
    expect(await up()).toEqual(expected)
    for (const expr of ['nginx_up', 'redis_up', 'probe_success'])
      expect((await query(`${expr} == 0`)).length, expr).toBe(0)
    expect((await query('nginx_up{host="primary"}')).length).toBe(1)
    expect((await query('node_netstat_Tcp_RetransSegs{host="primary",side="overseas"}')).length).toBe(1)
    // By `backup` itself, on both sides.
    const backups = await query('ferry_backup_failed == 0 and ferry_backup_last_success_timestamp_seconds')
    expect(backups.map(({ metric }) => metric.instance).toSorted()).toEqual(['domestic', 'primary'])
  })

  const named = [
    ...readRules().map(({ alert, record, expr }) => [alert ?? record ?? '', expr] as const),
    ...readPanelQueries().map(({ where, expr }) => [where, expr] as const),
  ]
  const recorded = new Set(readRules().flatMap(({ record }) => record ?? []))

  it('finds in the scrapes every metric that a rule or a panel names', async () => {
    const missing = async (): Promise<string[]> => {
      const known = await monitoring.metricNames()
      return named.flatMap(([where, expr]) =>
        metricsOf(expr)
          .filter((name) => !known.has(name) && !recorded.has(name))
          .map((name) => `${where}: ${name}`),
      )
    }
    await eventually('all are there', async () => (await missing()).length === 0, 15_000).catch(() => {})
    expect(await missing()).toEqual([])
  })

  it('answers every query of every dashboard with data', async () => {
    const empty = async (): Promise<string[]> => {
      const results = await Promise.all(readPanelQueries().map(async (q) => ({ ...q, lines: await query(q.expr) })))
      return results.filter(({ lines }) => lines.length === 0).map(({ where, expr }) => `${where}: ${expr}`)
    }
    await eventually('all have data', async () => (await empty()).length === 0, 20_000).catch(() => {})
    expect(await empty()).toEqual([])
  })

  it('answers the queries of the page about normal ranges', async () => {
    const ranges = readNormalRanges('')
    expect(ranges.length).toBeGreaterThan(15)
    const empty = async (): Promise<string[]> => {
      const results = await Promise.all(ranges.map(async ({ expr }) => ({ expr, lines: await query(expr) })))
      return results.filter(({ lines }) => lines.length === 0).map(({ expr }) => expr)
    }
    await eventually('all have data', async () => (await empty()).length === 0, 20_000).catch(() => {})
    expect(await empty()).toEqual([])
  })

  it('shows in /metrics what docs/metrics.md says, with those labels, and nothing else', async () => {
    const pages = await ferry.pages()
    for (const side of ['relay', 'bff'] as const) {
      const [documented, served] = [readDocumentedMetrics(side), readServedMetrics(pages[side])]
      // It has no TLS of its own behind nginx.
      if (side === 'relay') documented.delete('relay_tls_certificate_expires_seconds')
      expect([...served.keys()].toSorted(), side).toEqual([...documented.keys()].toSorted())
      for (const [name, { type, labels }] of served) {
        expect(type, name).toBe(documented.get(name)?.type)
        const known = documented.get(name)?.labels ?? []
        expect(
          labels.filter((label) => !known.includes(label)),
          name,
        ).toEqual([])
      }
    }
  })

  it('tells each robot, in its form, of a relay that ends, repeats what one refuses, and says when it is over', async () => {
    const { robots, prometheus } = monitoring
    const texts = (name: keyof typeof robots, what: string): readonly string[] =>
      robots[name].received.map(({ body }) => JSON.stringify(body)).filter((text) => text.includes(what))
    const all = Object.keys(robots) as (keyof typeof robots)[]
    for (const name of all) expect(texts(name, 'ServiceDown')).toEqual([])
    // As DingTalk does beyond 20 messages a minute.
    robots.dingtalk.answer = { errcode: 130101, errmsg: 'send too fast' }
    const endedAt = performance.now()
    await ferry.stopRelay()
    const told = (what: string) => () => all.every((name) => texts(name, what).length > 0)
    await eventually('each robot was told', told('critical: ServiceDown'), 40_000)
    const seconds = ((performance.now() - endedAt) / 1000).toFixed(1)
    console.info(`ServiceDown reached the robots ${seconds} s after the relay ended`)
    const refused = texts('dingtalk', 'critical: ServiceDown').length
    robots.dingtalk.answer = { errcode: 0 }
    await eventually('it is repeated', () => texts('dingtalk', 'critical: ServiceDown').length > refused, 20_000)
    expect(texts('wecom', 'critical: ServiceDown')[0]).toContain('Relay relay-2 on primary')
    expect(robots.dingtalk.received[0]?.path).toMatch(/&timestamp=\d+&sign=/)
    expect(robots.dingtalk.received[0]?.body).toMatchObject({
      msgtype: 'markdown',
      markdown: { text: expect.any(String) },
    })
    expect(robots.feishu.received[0]?.body).toMatchObject({ msg_type: 'interactive', sign: expect.any(String) })
    expect(robots.wecom.received[0]?.body).toMatchObject({
      msgtype: 'markdown',
      markdown: { content: expect.any(String) },
    })
    await ferry.startRelay()
    await eventually('they hear that it is over', told('resolved: ServiceDown'), 40_000)
    expect(await query('ALERTS{alertname="ServiceDown",alertstate="firing"}')).toEqual([])
    expect(prometheus.log()).not.toMatch(/level=error/)
  }, 120_000)

  it('has shown in docs/deploy/dashboards.md, in both languages, every query of every panel', async () => {
    const { UPDATE_DOCS } = process.env
    if (UPDATE_DOCS) {
      // A minute of it, with a relay that is killed on the way.
      for (let round = 0; round < 120; round++) {
        await ferry.traffic({ faults: false })
        if (round === 60) await ferry.stopRelay()
        if (round === 80) await ferry.startRelay()
        await sleep(300)
      }
      const pages = await renderDashboards(query)
      writeFileSync(DASHBOARDS_PAGES.english, pages.english)
      writeFileSync(DASHBOARDS_PAGES.chinese, pages.chinese)
    }
    for (const file of Object.values(DASHBOARDS_PAGES)) {
      const page = readFileSync(file, 'utf8')
      for (const { where, expr } of readPanelQueries()) expect(page, `${file} ${where}`).toContain(code(expr))
      expect(page.match(/^## /gm)).toHaveLength(5)
      // Every panel of the Chinese page says in Chinese what it is.
      expect(page).not.toMatch(/^\| [^|]+ \| {2}\| `/m)
    }
  }, 300_000)
})
