import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { UsageReport, UsageRow } from '@llm-ferry/sdk/schema'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { afterBody, hang, type Step } from '../../../../test/testkit/scripted-vendor.ts'
import type { CallRecord } from '../../src/ledger/record.ts'
import { ledgerKey, shardOf } from '../../src/limits/keys.ts'
import {
  BFF_KEY,
  errorOf,
  json,
  plainAnswer,
  startTestBff,
  streamEvents,
  streamHead,
  type TestBff,
} from '../support.ts'

let server: RedisServer
let redis: Redis
let file: string

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await redis.flushall()
  file = join(mkdtempSync(join(tmpdir(), 'ferry-ledger-')), 'ledger.jsonl')
})

const start = (steps: () => Step[], yaml = '', env: Record<string, string> = {}): Promise<TestBff> => {
  const own = { REDIS_URL: server.url, SPOOL_DIR: join(file, '..'), LEDGER_FILE: file, MAX_RETRIES: '0' }
  return startTestBff(afterBody(steps), { ...own, DRAIN_TIMEOUT_MS: '500', ...env }, yaml)
}

const records = (): CallRecord[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as CallRecord)
    : []

const untilRecords = (n: number): Promise<void> => eventually(`${n} records`, () => records().length === n)

const usage = async ({ origin }: TestBff, query = ''): Promise<Response> =>
  fetch(`${origin}/v1/usage${query}`, { headers: { authorization: `Bearer ${BFF_KEY}` } })

interface Rows {
  readonly data: Record<string, unknown>[]
}
const rowsOf = async (bff: TestBff, query = ''): Promise<Record<string, unknown>[]> =>
  ((await (await usage(bff, query)).json()) as Rows).data

const prices = 'prices: { openai/gpt-x: { input: 1000, output: 2000 } }\n'

describe('the ledger', () => {
  test('has one line for each call, with what it used and cost', async () => {
    const bff = await start(plainAnswer, prices)
    const response = await bff.chat({ user: 'ann' })
    const { usage: told } = (await response.json()) as { usage: { prompt_tokens: number; completion_tokens: number } }
    await untilRecords(1)
    expect(records()).toEqual([
      expect.objectContaining({
        id: response.headers.get('x-ferry-request-id'),
        kind: 'call',
        key: 'app',
        user: 'ann',
        vendor: 'openai',
        model: 'gpt-x',
        outcome: 'completed',
        promptTokens: told.prompt_tokens,
        completionTokens: told.completion_tokens,
        costNanos: (told.prompt_tokens + 2 * told.completion_tokens) * 1_000_000,
        estimated: false,
        totalMs: expect.any(Number),
      }),
    ])
    expect(JSON.stringify(records())).not.toContain('Say hello')
    await eventually('what was read is removed', async () => (await redis.xlen(ledgerKey(shardOf('app')))) <= 1)
  })

  test('has lines for calls that failed, were cut short by their caller, and reached nobody', async () => {
    const closed = '  gone: { dialect: openai, origin: "http://127.0.0.1:1", apiKey: none }\n'
    const bff = await start(() => [streamHead(), ...streamEvents().slice(0, 3), hang()], closed)
    const leaving = new AbortController()
    const response = await bff.chat({ stream: true }, { signal: leaving.signal })
    await response.body?.getReader().read()
    leaving.abort()
    await bff.chat({ model: 'gone/x' })
    await untilRecords(2)
    const [left, unreached] = records().sort((a, b) => (a.outcome < b.outcome ? -1 : 1))
    expect(left).toMatchObject({ outcome: 'client_closed', estimated: true, costNanos: null, stream: true })
    expect(left?.completionTokens).toBeGreaterThan(0)
    expect(unreached).toMatchObject({ outcome: 'upstream_unreachable', promptTokens: 0, costNanos: 0 })
  })

  test('an error’s text is no output', async () => {
    const bff = await start(() => json(500, { error: { message: 'a long text '.repeat(1000), type: 'server_error' } }))
    await bff.chat()
    await untilRecords(1)
    expect(records()[0]).toMatchObject({ promptTokens: 0, completionTokens: 0, costNanos: 0 })
  })

  test('without Redis the lines are written all the same', async () => {
    const bff = await start(plainAnswer, '', { REDIS_URL: '' })
    await bff.chat()
    await untilRecords(1)
    expect(await rowsOf(bff)).toMatchObject([{ calls: 1 }])
  })

  test('keeps what another group has not read', async () => {
    const bff = await start(plainAnswer)
    await bff.chat()
    await untilRecords(1)
    const stream = ledgerKey(shardOf('app'))
    await redis.xgroup('CREATE', stream, 'billing', '$')
    for (let i = 0; i < 3; i++) await bff.chat()
    await untilRecords(4)
    expect(await redis.xlen(stream)).toBeGreaterThanOrEqual(3)
    const read = (await redis.xreadgroup('GROUP', 'billing', 'b', 'STREAMS', stream, '>')) as [string, unknown[]][]
    expect(read[0]?.[1]).toHaveLength(3)
  })
})

describe('GET /v1/usage', () => {
  test('sums up by day, hour, model and user, as the ledger has it', async () => {
    const bff = await start(plainAnswer, prices)
    await bff.chat({ user: 'ann' })
    await bff.chat({ user: 'bob' })
    await bff.chat({ user: 'bob', model: 'second/gpt-y' })
    await untilRecords(3)
    const sum = (pick: (record: CallRecord) => number): number => records().reduce((n, one) => n + pick(one), 0)
    const [day] = await rowsOf(bff)
    expect(day).toMatchObject({
      calls: 3,
      failed_calls: 0,
      unpriced_calls: 1,
      prompt_tokens: sum(({ promptTokens }) => promptTokens),
      completion_tokens: sum(({ completionTokens }) => completionTokens),
      cost_usd: sum(({ costNanos }) => costNanos ?? 0) / 1e9,
    })
    expect(await rowsOf(bff, '?by=user')).toMatchObject([
      { user: 'ann', vendor: 'openai', calls: 1 },
      { user: 'bob', vendor: 'openai', calls: 1 },
      { user: 'bob', vendor: 'second', model: 'gpt-y', calls: 1 },
    ])
    expect(await rowsOf(bff, '?by=model')).toHaveLength(2)
    expect((await rowsOf(bff, '?by=hour'))[0]).toHaveProperty('hour')
  })

  test('of a key with 50,000 users has the first of them, and the others in one line, so that it adds up', async () => {
    const bff = await start(plainAnswer, prices)
    await bff.chat({ user: 'last' })
    await untilRecords(1)
    const [hash = ''] = await redis.keys('ferry:*:usage:app:*')
    const counts = { calls: 0, promptTokens: 0 }
    for (let from = 0; from < 50_000; from += 10_000) {
      const sums: Record<string, number> = {}
      for (let i = from; i < from + 10_000; i++) {
        const calls = (i % 1000) + 2
        for (const [measure, amount] of [['calls', calls] as const, ['promptTokens', calls * 10] as const]) {
          sums[JSON.stringify(['user', `[*?]${i}`, 'openai', 'gpt-x', measure])] = amount
          counts[measure] += amount
        }
      }
      await redis.hset(hash, sums)
    }
    const hour = (measure: string): string => JSON.stringify(['hour', '1', 'openai', 'gpt-x', measure])
    await redis.hincrby(hash, hour('calls'), counts.calls)
    await redis.hincrby(hash, hour('promptTokens'), counts.promptTokens)
    const all = (await rowsOf(bff))[0] as unknown as UsageRow
    expect(all.calls).toBe(counts.calls + 1)

    const report = (await (await usage(bff, '?by=user&limit=60')).json()) as UsageReport
    expect(report.data).toHaveLength(60)
    expect(report.data.filter(({ calls }) => calls === 1001)).toHaveLength(50)
    expect(report.data.filter(({ calls }) => calls === 1000)).toHaveLength(10)
    expect(report.data.every(({ calls, prompt_tokens }) => prompt_tokens === calls * 10)).toBe(true)
    const lines = [...report.data, ...(report.others ?? [])]
    expect(lines).toHaveLength(61)
    for (const measure of ['calls', 'prompt_tokens', 'completion_tokens', 'cost_usd'] as const) {
      expect(lines.reduce((sum, line) => sum + line[measure], 0)).toBeCloseTo(all[measure], 9)
    }
    const csv = (await (await usage(bff, '?by=user&limit=60&format=csv')).text()).trimEnd().split('\r\n')
    expect(csv).toHaveLength(62)
    expect(csv.at(-1)).toMatch(new RegExp(`^${report.from},,,,${report.others?.[0]?.calls},`))
  }, 60_000)

  test('of any breakdown has no more lines a day than asked for', async () => {
    const bff = await start(plainAnswer, prices)
    for (const model of ['second/gpt-y', 'openai/gpt-x', 'openai/gpt-x']) await bff.chat({ model })
    await untilRecords(3)
    const report = (await (await usage(bff, '?by=model&limit=1')).json()) as UsageReport
    expect(report).toMatchObject({ data: [{ model: 'gpt-x', calls: 2 }], others: [{ calls: 1, unpriced_calls: 1 }] })
    const whole = (await (await usage(bff, '?by=model')).json()) as UsageReport
    expect(whole).not.toHaveProperty('others')
  })

  test('as CSV the sums are the same', async () => {
    const bff = await start(plainAnswer, prices)
    for (const user of ['=cmd', 'b,c', 'd']) await bff.chat({ user })
    await untilRecords(3)
    const response = await usage(bff, '?by=user&format=csv')
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    const [names = '', ...lines] = (await response.text()).trim().split('\r\n')
    expect(names.split(',').slice(0, 5)).toEqual(['day', 'user', 'vendor', 'model', 'calls'])
    const cost = lines.map((line) => Number(line.split(',').at(-1))).reduce((a, b) => a + b)
    expect(cost).toBeCloseTo(records().reduce((n, { costNanos }) => n + (costNanos ?? 0), 0) / 1e9, 9)
  })

  test.each([
    ['?by=week', 'by'],
    ['?from=yesterday', 'from'],
    ['?from=2026-02-01&to=2026-01-01', 'from'],
    ['?from=2020-01-01', 'from'],
    ['?limit=0', 'limit'],
    ['?limit=10000&from=2026-01-01&to=2026-02-01', 'limit'],
    ['?key=other', undefined],
  ])('refuses %s', async (query, param) => {
    const response = await usage(await start(plainAnswer), query)
    expect(response.status).toBe(400)
    if (param) expect(await errorOf(response)).toMatchObject({ param })
  })
})

describe('money', () => {
  test('is limited by day, and a model without a price is refused by name', async () => {
    const yaml = `${prices}keys: { app: { limits: { usdPerDay: 4 } } }\n`
    const bff = await start(plainAnswer, yaml)
    expect((await bff.chat({ max_tokens: 1000 })).status).toBe(200)
    await untilRecords(1)
    const refused = await bff.chat({ max_tokens: 4000 })
    expect(await errorOf(refused)).toMatchObject({ code: 'quota_exceeded', limit: { name: 'cost_per_day', limit: 4 } })
    const unknown = await bff.chat({ model: 'openai/gpt-unknown' })
    expect(await errorOf(unknown)).toMatchObject({ code: 'permission_denied', param: 'model' })
  })
})
