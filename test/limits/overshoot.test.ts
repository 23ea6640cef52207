import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import { type Cluster, counted, nothingHeld, startCluster, TOKENS } from './support.ts'

let cluster: Cluster
afterEach(() => cluster?.stop())

const STREAMS = 500
const MANY = { DAILY_QUOTA: '1000000', KEY_DAILY_QUOTA: '1000000' }
const USED = TOKENS.prompt + TOKENS.completion

interface Flooded {
  readonly admitted: number
  /** What was reserved for them while all were under way. */
  readonly reserved: { readonly tokens: number; readonly cost: number }
}

/** 500 streams at once that each allow `maxTokens` of output, and go on when all of them are decided. */
async function flood(maxTokens: number): Promise<Flooded> {
  const streams = Array.from({ length: STREAMS }, (_, i) => cluster.chat(i, 'held-stream', { maxTokens }))
  let refused = 0
  for (const stream of streams) void stream.then(({ status }) => status === 429 && refused++)
  const running = (): number => cluster.vendor.began.get('held-stream') ?? 0
  await eventually('every stream is decided', () => running() + refused === STREAMS, 25_000)
  const admitted = running()
  const [tokens = 0, cost = 0] = await Promise.all(['tokens', 'cost'].map((name) => counted(cluster.direct, name)))
  cluster.vendor.release()
  const outcomes = await Promise.all(streams)
  expect(outcomes.filter(({ text }) => text.includes('[DONE]'))).toHaveLength(admitted)
  await nothingHeld(cluster.direct, 20_000)
  return { admitted, reserved: { tokens, cost } }
}

describe('500 streams at once whose answers are longer than was reserved', () => {
  test('pass the token limit by what those under way used above their reservation, and no further', async () => {
    const limit = 2_000
    cluster = await startCluster(4, MANY, `limits: { tokensPerDay: ${limit} }\n`)
    const { admitted, reserved } = await flood(1)
    const each = reserved.tokens / admitted
    expect(Number.isInteger(each)).toBe(true)
    expect(each).toBeLessThan(USED)
    expect(admitted).toBe(Math.floor(limit / each))
    const used = await counted(cluster.direct, 'tokens')
    expect(used).toBe(admitted * USED)
    expect(used - limit).toBeGreaterThan(0)
    expect(used - limit).toBeLessThanOrEqual(admitted * (USED - each))
    expect((await cluster.chat(0, 'answer')).status).toBe(429)
  }, 120_000)

  test('pass the money limit no further either', async () => {
    // In billionths of a dollar: 1,000 a prompt token, 2,000 a written one.
    const limit = 2_000_000
    const cost = TOKENS.prompt * 1_000 + TOKENS.completion * 2_000
    const yaml = `prices: { openai/gpt-x: { input: 1, output: 2 } }\nlimits: { usdPerDay: ${limit / 1e9} }\n`
    cluster = await startCluster(4, MANY, yaml)
    const { admitted, reserved } = await flood(1)
    const each = reserved.cost / admitted
    expect(each).toBeLessThan(cost)
    expect(admitted).toBe(Math.floor(limit / each))
    const used = await counted(cluster.direct, 'cost')
    expect(used).toBe(admitted * cost)
    expect(used - limit).toBeGreaterThan(0)
    expect(used - limit).toBeLessThanOrEqual(admitted * (cost - each))
    await eventually('every call has its line', () => cluster.records().length === admitted, 20_000)
    expect(cluster.records().reduce((sum, { costNanos }) => sum + (costNanos ?? 0), 0)).toBe(used)
  }, 120_000)

  test('do not pass it at all when the reservation was enough', async () => {
    const limit = 2_000
    cluster = await startCluster(4, MANY, `limits: { tokensPerDay: ${limit} }\n`)
    const { admitted, reserved } = await flood(40)
    expect(reserved.tokens).toBeLessThanOrEqual(limit)
    const used = await counted(cluster.direct, 'tokens')
    expect(used).toBe(admitted * USED)
    expect(used).toBeLessThanOrEqual(limit)
  }, 120_000)
})
