import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { ferry } from './ferry.ts'
import { readDocumentedMetrics } from './metrics-page.ts'
import { metricsOf, readNormalRanges, readRules } from './monitoring-files.ts'
import { runProgram } from './program.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const RUNBOOKS = join(root, 'docs/deploy/runbooks')
const pages = readdirSync(RUNBOOKS).filter((name) => name.endsWith('.md'))
/** What stands in backticks, with the page that it stands on. */
const spans = pages.flatMap((page) =>
  // Both languages name the same.
  [...new Set(readFileSync(join(RUNBOOKS, page), 'utf8').match(/`[^`\n]+`/g))].map((span) => ({
    page,
    text: span.slice(1, -1),
  })),
)
const starting = (...heads: readonly string[]): [string, string][] =>
  spans.filter(({ text }) => heads.some((head) => text.startsWith(head))).map(({ page, text }) => [page, text])

describe('what the runbooks tell to type', () => {
  const services = new Set(
    ['overseas', 'domestic', 'monitoring'].flatMap((side) =>
      Object.keys(parse(readFileSync(join(root, `deploy/${side}/compose.yaml`), 'utf8'), { merge: true }).services),
    ),
  )
  it.each(starting('docker compose'))('%s: %s names services that there are', (_, command) => {
    const words = command
      .replace('docker compose ', '')
      .replace(/-e \w+="[^"]*" |-f \/opt\/monitoring\/compose\.yaml |--tail \d+ /g, '')
      .split(' ')
    expect(['ps', 'logs', 'restart', 'exec', 'up']).toContain(words[0])
    if (words[1] !== undefined) expect(services).toContain(words[1])
  })

  it.each(starting('deploy/'))('%s: %s is there, and takes its options', (_, command) => {
    const [path = '', ...options] = command.split(' ')
    expect(existsSync(join(root, path))).toBe(true)
    for (const option of options.filter((one) => one.startsWith('--')))
      expect(readFileSync(join(root, path), 'utf8')).toContain(option)
  })

  it('`certificates once` is a command of the certbot image', () => {
    expect(spans.filter(({ text }) => text.includes('certbot certificates once'))).not.toEqual([])
    expect(readFileSync(join(root, 'deploy/images/certificates'), 'utf8')).toMatch(/^# {3}certificates once/m)
  })

  it('`ferry …` are commands of the tool', async () => {
    const { stdout } = await ferry(['--help'])
    const named = new Set(starting('ferry ').map(([, text]) => text.split(' ')[1] ?? ''))
    expect(named.size).toBeGreaterThan(1)
    for (const command of named) expect(stdout).toMatch(new RegExp(`^\\s+(ferry )?${command}\\b`, 'm'))
  })

  it('metrics and queries are of our services, and errors are codes that they give', () => {
    const ours = new Set(
      (['relay', 'bff', 'hosts'] as const).flatMap((part) => [...readDocumentedMetrics(part).keys()]),
    )
    const queries = spans.filter(({ text }) => /\b(ferry|relay|link)_\w+_(total|seconds|open)\b/.test(text))
    expect(queries.length).toBeGreaterThan(3)
    for (const { page, text } of queries)
      for (const name of metricsOf(text)) expect(ours, `${page}: ${text}`).toContain(name)
  })

  describe('run', () => {
    let redis: RedisServer
    beforeAll(async () => {
      redis = await startRedis()
      await redis.command('CONFIG SET requirepass pass-0123')
      await runRedis("xgroup create 'ferry:{0}:ledger' billing $ mkstream")
    })
    afterAll(() => redis.stop())
    const runRedis = (rest: string) =>
      runProgram('bash', ['-c', `redis-cli -p ${redis.port} ${rest}`], { env: { REDISCLI_AUTH: 'pass-0123' } })

    it.each([
      ...starting('docker compose exec').flatMap(([, text]) => /redis redis-cli (.*)$/.exec(text)?.[1] ?? []),
      ...spans.flatMap(({ text }) => (/^(slowlog|--bigkeys)/.test(text) ? text : [])),
    ])('redis-cli %s', (rest) => {
      const { status, output } = runRedis(rest)
      expect(status, output).toBe(0)
      expect(output).not.toMatch(/^(ERR|NOAUTH|WRONGPASS)/m)
    })

    it.each(starting('df', 'ps ', 'sysctl', 'top'))('%s: %s', (_, command) => {
      const { status, output } = runProgram('bash', ['-c', command === 'top' ? 'top -bn1 | head -3' : command])
      expect(status, output).toBe(0)
    })

    it.each(starting('du '))('%s: %s', (_, command) => {
      const { status, output } = runProgram('bash', ['-c', command.replace(' / ', ' "$PWD/deploy" ')], { cwd: root })
      expect(status, output).toBe(0)
      expect(output).toContain('deploy/monitoring')
    })
  })
})

describe('normal ranges', () => {
  const english = readNormalRanges('')
  it('are the handbook’s', () => {
    const normal = Object.fromEntries(english.map((row) => [row.alerts[0], row.normal]))
    expect(normal).toMatchObject({
      HighCpu: '< 70 %',
      HighMemory: '< 80 %',
      HighDisk: '< 80 %',
      LowSuccessRate: '> 99 %',
      SlowFirstByte: '< 2 s',
      HighErrorRate: '< 1 %',
    })
  })

  it('are queries, each with alerts that there are, and the same in both languages', () => {
    const alerts = new Set(readRules().map(({ alert }) => alert))
    for (const { expr, alerts: named } of english) {
      expect(metricsOf(expr)).not.toEqual([])
      expect(named.length, expr).toBeGreaterThan(0)
      for (const name of named) expect(alerts).toContain(name)
    }
    const facts = (language: string): unknown =>
      readNormalRanges(language).map(({ expr, alerts: named, normal }) => [expr, named, normal.replace(/\D+/g, ' ')])
    expect(english.length).toBeGreaterThan(15)
    expect(facts('.zh-CN')).toEqual(facts(''))
  })
})
