import { expect, it, vi } from 'vitest'
import { createFerry, type FerryHooks } from '../src/index.ts'
import { startServer } from './support/server.ts'
import { answerJson, beginStream, completion, errorBody, request, textChunks, wire } from './support/wire.ts'

it('hooks see a call from its attempts to its end, and may add headers', async () => {
  let failures = 1
  const server = await startServer((_, response) => {
    if (failures-- > 0) answerJson(response, 503, errorBody('overloaded'), { 'retry-after-ms': '1' })
    else answerJson(response, 200, completion('hi'), { 'x-ferry-vendor': 'openai' })
  })
  const told: string[] = []
  const hooks: FerryHooks = {
    beforeRequest: ({ attempt, headers }) => {
      told.push(`request ${attempt}`)
      headers.set('traceparent', `trace-${attempt}`)
    },
    afterResponse: ({ attempt, status }) => void told.push(`response ${attempt} ${status}`),
    beforeRetry: ({ attempt, error }) => void told.push(`retry ${attempt} ${error.code}`),
    beforeError: () => void told.push('error'),
    afterFinish: ({ meta }) => void told.push(`finish ${meta.vendor} ${meta.retries}`),
  }
  await createFerry({ baseURL: server.url, apiKey: 'key', hooks }).chat(request)
  expect(told).toEqual([
    'request 1',
    'response 1 503',
    'retry 1 overloaded',
    'request 2',
    'response 2 200',
    'finish openai 1',
  ])
  expect(server.received.map(({ headers }) => headers.traceparent)).toEqual(['trace-1', 'trace-2'])
})

it('a stream ends in one finish or one error', async () => {
  let body = wire(textChunks('a'))
  const server = await startServer((_, response) => void beginStream(response).end(body))
  const hooks = { afterFinish: vi.fn(), beforeError: vi.fn() }
  const ferry = createFerry({ baseURL: server.url, apiKey: 'key', hooks })
  await ferry.chat.stream(request).text()
  expect([hooks.afterFinish.mock.calls.length, hooks.beforeError.mock.calls.length]).toEqual([1, 0])
  body = ''
  await ferry.chat
    .stream(request)
    .text()
    .catch(() => undefined)
  expect([hooks.afterFinish.mock.calls.length, hooks.beforeError.mock.calls.length]).toEqual([1, 1])
  expect(hooks.beforeError.mock.calls[0]?.[0]).toMatchObject({ error: { code: 'upstream_truncated' }, attempts: 1 })
})

it('what a hook throws fails the call as it is, without a retry', async () => {
  const server = await startServer((_, response) => answerJson(response, 200, completion('hi')))
  const broken = new Error('no trace')
  const hooks: FerryHooks = {
    beforeRequest: () => {
      throw broken
    },
  }
  await expect(createFerry({ baseURL: server.url, apiKey: 'key', hooks }).chat(request)).rejects.toBe(broken)
  expect(server.received).toEqual([])
})
