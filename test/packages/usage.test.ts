import { UsageReport } from '@llm-ferry/sdk/schema'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { type Sandbox, startSandbox } from '../../tools/start/sandbox.ts'
import { eventually } from '../testkit/eventually.ts'
import { type Chain, startChain } from './chain.ts'

describe('ferry.usage at a BFF', () => {
  let sandbox: Sandbox
  let chain: Chain

  beforeAll(async () => {
    sandbox = await startSandbox()
    chain = await startChain(sandbox.url)
    const messages = [{ role: 'user' as const, content: '你好' }]
    await chain.client({ user: '张三' }).chat({ model: 'openai/gpt-5.4-mini', messages })
    await chain.client().chat.stream({ model: 'anthropic/claude-haiku-4-5', messages }).final()
    const callsSoFar = async () => (await chain.client().usage()).data[0]?.calls
    await eventually('both calls are in the report', async () => (await callsSoFar()) === 2)
  })
  afterAll(async () => {
    await chain?.stop()
    await sandbox?.stop()
  })

  it('reports today unless told otherwise', async () => {
    const report = await chain.client().usage()
    expect(UsageReport.parse(report)).toEqual(report)
    expect(report).toMatchObject({ by: 'day', timezone: 'Asia/Shanghai', from: report.to })
    expect(report.data).toHaveLength(1)
    expect(report.data[0]).toMatchObject({ day: report.to, calls: 2, failed_calls: 0 })
    expect(report.data[0]?.prompt_tokens).toBeGreaterThan(0)
  })

  it('breaks down by model, hour and end user', async () => {
    const ferry = chain.client()
    const byModel = await ferry.usage({ by: 'model' })
    expect(byModel.data.map(({ vendor, calls }) => [vendor, calls])).toEqual([
      ['anthropic', 1],
      ['openai', 1],
    ])
    expectTypeOf(byModel.data[0]!.model).toEqualTypeOf<string>()
    expectTypeOf(byModel.data[0]!).not.toHaveProperty('user')
    const byUser = await ferry.usage({ by: 'user' })
    expect(byUser.data.map(({ user }) => user).sort()).toEqual(['app', '张三'])
    const byHour = await ferry.usage({ by: 'hour' })
    expect(byHour.data.every(({ hour }) => hour >= 0 && hour < 24)).toBe(true)
  })

  it('reports days without calls as no lines, and their range', async () => {
    const report = await chain.client().usage({ from: '2026-01-01', to: '2026-01-31' })
    expect(report).toMatchObject({ from: '2026-01-01', to: '2026-01-31', data: [] })
  })

  it('names what is wrong with a range', async () => {
    const ask = chain.client().usage({ from: '2026-02-01', to: '2026-01-01' })
    await expect(ask).rejects.toMatchObject({ code: 'invalid_request', param: 'from', isRetryable: false })
  })
})
