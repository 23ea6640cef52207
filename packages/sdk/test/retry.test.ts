import { describe, expect, it, vi } from 'vitest'
import { createFerry, FerryError, type RetryEvent } from '../src/index.ts'
import { retryPause } from '../src/retry.ts'
import { freePort, startServer } from './support/server.ts'
import { answerJson, completion, errorBody, request } from './support/wire.ts'

describe('retryPause', () => {
  const pause = (
    code: FerryError['code'],
    more: { told?: boolean; retry?: number; after?: number; left?: number } = {},
  ) =>
    retryPause({
      error: new FerryError(code, 'x', { retryAfterMs: more.after }),
      told: more.told,
      retry: more.retry ?? 1,
      remainingMs: more.left ?? 600_000,
    })

  it('backs off from half a second to eight, with jitter', () => {
    for (const [retry, most] of [
      [1, 500],
      [2, 1_000],
      [3, 2_000],
      [9, 8_000],
    ] as const) {
      expect(pause('overloaded', { retry })).toBeGreaterThanOrEqual(most * 0.75)
      expect(pause('overloaded', { retry })).toBeLessThanOrEqual(most)
    }
  })

  it('obeys the server’s pause up to a minute, and leaves a longer one to the caller', () => {
    expect(pause('rate_limit_exceeded', { after: 60_000 })).toBe(60_000)
    expect(pause('rate_limit_exceeded', { after: 0 })).toBe(0)
    expect(pause('rate_limit_exceeded', { after: 60_001 })).toBeUndefined()
  })

  it('obeys the server’s word in both directions', () => {
    expect(pause('overloaded', { told: false })).toBeUndefined()
    expect(pause('invalid_request', { told: true })).toBeGreaterThan(0)
  })

  it('repeats nothing that the vendor may have billed', () => {
    expect(pause('upstream_truncated')).toBeUndefined()
    expect(pause('upstream_timeout')).toBeUndefined()
    expect(pause('exchange_lost')).toBeUndefined()
  })

  it('does not sleep past the deadline', () => {
    expect(pause('rate_limit_exceeded', { after: 5_000, left: 4_000 })).toBeUndefined()
  })
})

describe('a call', () => {
  const overloaded = { 'retry-after-ms': '5' }

  it('is repeated with the same Idempotency-Key, and told apart by its meta and hooks', async () => {
    let failures = 2
    const server = await startServer((_, response) => {
      if (failures-- > 0) answerJson(response, 503, errorBody('overloaded'), overloaded)
      else answerJson(response, 200, completion('hi'))
    })
    const beforeRetry = vi.fn<(event: RetryEvent) => void>()
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', hooks: { beforeRetry } })
    const { meta } = await ferry.chat(request)
    expect(meta.retries).toBe(2)
    const keys = server.received.map(({ headers }) => headers['idempotency-key'])
    expect(keys).toEqual([keys[0], keys[0], keys[0]])
    expect(server.received.map(({ json }) => json.model)).toEqual(Array(3).fill(request.model))
    expect(beforeRetry).toHaveBeenCalledTimes(2)
    expect(beforeRetry.mock.calls[0]?.[0]).toMatchObject({ attempt: 1, pauseMs: 5, error: { code: 'overloaded' } })
  })

  it('gives up after maxRetries', async () => {
    const server = await startServer((_, response) => answerJson(response, 503, errorBody('overloaded'), overloaded))
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', maxRetries: 3 })
    await expect(ferry.chat(request)).rejects.toMatchObject({ code: 'overloaded' })
    expect(server.received).toHaveLength(4)
    await expect(ferry.chat(request, { maxRetries: 0 })).rejects.toMatchObject({ code: 'overloaded' })
    expect(server.received).toHaveLength(5)
  })

  it('is not repeated against the server’s word', async () => {
    const server = await startServer((_, response) =>
      answerJson(response, 429, errorBody('rate_limit_exceeded'), { 'x-should-retry': 'false' }),
    )
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key' })
    await expect(ferry.chat(request)).rejects.toMatchObject({ isRetryable: false })
    expect(server.received).toHaveLength(1)
  })

  it('fails at once with the server’s error when the pause would outlast the deadline', async () => {
    const server = await startServer((_, response) =>
      answerJson(response, 429, errorBody('rate_limit_exceeded'), { 'retry-after': '30' }),
    )
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', timeoutMs: 2_000 })
    const startedAt = performance.now()
    await expect(ferry.chat(request)).rejects.toMatchObject({ code: 'rate_limit_exceeded', retryAfterMs: 30_000 })
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })

  it('tells the server how much time is left at each attempt', async () => {
    const server = await startServer((_, response) =>
      answerJson(response, 503, errorBody('overloaded'), { 'retry-after-ms': '100' }),
    )
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', timeoutMs: 5_000, maxRetries: 1 })
    await ferry.chat(request).catch(() => undefined)
    const [first = 0, second = 0] = server.received.map(({ headers }) => Number(headers['x-ferry-timeout-ms']))
    expect(first - second).toBeGreaterThanOrEqual(95)
  })
})

describe('a connection', () => {
  it('that was never made is tried again, also for a POST, and nobody is told that we left', async () => {
    const port = await freePort()
    const hooks = { beforeRetry: vi.fn() }
    const ferry = createFerry({ baseURL: `http://127.0.0.1:${port}`, apiKey: 'key', maxRetries: 1, hooks })
    await expect(ferry.chat(request)).rejects.toMatchObject({ code: 'upstream_unreachable', isRetryable: true })
    expect(hooks.beforeRetry).toHaveBeenCalledTimes(1)
  })

  it('that was lost before the answer is not tried again for a POST: the vendor may be at work', async () => {
    const server = await startServer(({ socket }) => void socket.destroy())
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key' })
    await expect(ferry.chat(request)).rejects.toMatchObject({ code: 'upstream_unreachable', isRetryable: false })
    await server.waitFor('DELETE')
    expect(server.received.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })

  it('that was lost is tried again for a GET', async () => {
    let cuts = 1
    const server = await startServer(({ socket }, response) => {
      if (cuts-- > 0) socket.destroy()
      else answerJson(response, 200, { object: 'list', data: [] })
    })
    expect(await createFerry({ baseURL: server.url, apiKey: 'key' }).models()).toEqual([])
  })

  it('that breaks within the answer is a truncated answer, and never repeated', async () => {
    const server = await startServer(({ socket }, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000', 'x-request-id': 'r' })
      response.write('{"id":', () => socket.destroy())
    })
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key' })
    await expect(ferry.chat(request)).rejects.toMatchObject({ code: 'upstream_truncated', requestId: 'r' })
    await server.waitFor('DELETE')
    expect(server.received.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })
})
