import { describe, expect, it } from 'vitest'
import { createFerry } from '../src/index.ts'
import { startServer } from './support/server.ts'
import { answerJson } from './support/wire.ts'

const row = { day: '2026-11-22', calls: 1, cost_usd: 0.5 }

describe('ferry.usage', () => {
  it('asks for what it was asked, and gives the report as it is', async () => {
    const report = { object: 'list', from: 'a', to: 'b', timezone: 'UTC', by: 'model', data: [row] }
    const server = await startServer((_, response) => answerJson(response, 200, report))
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key' })
    expect(await ferry.usage({ from: '2026-11-01', to: '2026-11-22', by: 'model' })).toEqual(report)
    await ferry.usage()
    await ferry.usage({ from: undefined })
    expect(server.received.map(({ path }) => path)).toEqual([
      '/v1/usage?from=2026-11-01&to=2026-11-22&by=model',
      '/v1/usage',
      '/v1/usage',
    ])
  })

  it.each([
    ['%E5%BC%A0%E4%B8%89', '张三'],
    ['张三', '张三'],
    ['100%', '100%'],
    ['%61', '%61'],
    ['user-1', 'user-1'],
  ])('reads the end user %j as %j', async (told, user) => {
    const server = await startServer((_, response) => answerJson(response, 200, { data: [{ ...row, user: told }] }))
    const { data } = await createFerry({ baseURL: server.url, apiKey: 'key' }).usage({ by: 'user' })
    expect(data[0]?.user).toBe(user)
  })

  it('says so when the answer is something else', async () => {
    const server = await startServer((_, response) => answerJson(response, 200, { object: 'list' }))
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key' })
    await expect(ferry.usage()).rejects.toMatchObject({ code: 'upstream_invalid' })
  })
})
