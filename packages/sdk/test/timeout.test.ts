import { describe, expect, it, vi } from 'vitest'
import { createFerry } from '../src/index.ts'
import { collect } from './support/collect.ts'
import { startServer, withinASecond } from './support/server.ts'
import { answerJson, beginStream, chunk, completion, data, errorBody, request } from './support/wire.ts'

const silent = () => startServer(() => undefined)

describe('timeoutMs', () => {
  it('ends a plain call, closes its connection and tells the server', async () => {
    const server = await silent()
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', timeoutMs: 100 })
    const call = ferry.chat(request)
    const { closed, headers } = await server.waitFor('POST')
    await expect(call).rejects.toMatchObject({ code: 'upstream_timeout', status: 504, isRetryable: false })
    await withinASecond(closed)
    const left = await withinASecond(server.waitFor('DELETE'))
    expect(left.path).toBe(`/v1/calls/${headers['idempotency-key']}`)
    expect(server.received.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })

  it('covers the body of a plain answer', async () => {
    const server = await startServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"id":')
    })
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', timeoutMs: 150 })
    await expect(ferry.chat(request)).rejects.toMatchObject({ code: 'upstream_timeout' })
    await withinASecond(server.received[0]!.closed)
  })

  it('covers all attempts together', async () => {
    const server = await startServer((_, response) => {
      setTimeout(() => answerJson(response, 503, errorBody('overloaded'), { 'retry-after-ms': '1' }), 80)
    })
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', timeoutMs: 300, maxRetries: 100 })
    const startedAt = performance.now()
    await expect(ferry.chat(request)).rejects.toMatchObject({
      code: expect.stringMatching(/overloaded|upstream_timeout/),
    })
    expect(performance.now() - startedAt).toBeLessThan(600)
  })

  it('holds for a stream’s first event, comments or not, and not beyond it', async () => {
    const server = await startServer(({ json }, response) => {
      beginStream(response).write(': waiting\n\n')
      if (json.model === 'fast') response.write(data(chunk({ content: 'a' })))
      setTimeout(() => response.end(data(chunk({}, 'stop')) + data('[DONE]')), 400)
    })
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', timeoutMs: 200 })
    await expect(ferry.chat.stream(request).text()).rejects.toMatchObject({ code: 'upstream_timeout' })
    await withinASecond(server.received[0]!.closed)
    expect(await ferry.chat.stream({ ...request, model: 'fast' }).text()).toBe('a')
  })
})

it('attemptTimeoutMs repeats a GET, never a POST', async () => {
  const server = await silent()
  const ferry = createFerry({ baseURL: server.url, apiKey: 'key', attemptTimeoutMs: 50, maxRetries: 1 })
  await expect(ferry.models()).rejects.toMatchObject({ code: 'upstream_timeout' })
  await expect(ferry.chat(request)).rejects.toMatchObject({ code: 'upstream_timeout' })
  const methods = server.received.map(({ method }) => method).filter((method) => method !== 'DELETE')
  expect(methods).toEqual(['GET', 'GET', 'POST'])
})

describe('idleTimeoutMs', () => {
  it('ends a stream that fell silent', async () => {
    const server = await startServer((_, response) => {
      beginStream(response).write(data(chunk({ content: 'a' })))
    })
    const beforeError = vi.fn()
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', idleTimeoutMs: 100, hooks: { beforeError } })
    const stream = ferry.chat.stream(request)
    await expect(collect(stream)).rejects.toMatchObject({ code: 'upstream_timeout' })
    await withinASecond(server.received[0]!.closed)
    await withinASecond(server.waitFor('DELETE'))
    expect(beforeError).toHaveBeenCalledOnce()
  })

  it('takes heartbeats for life, and a slow reader for none of its business', async () => {
    const server = await startServer((_, response) => {
      beginStream(response).write(data(chunk({ content: 'a' })))
      const beat = setInterval(() => response.write(': waiting\n\n'), 40)
      setTimeout(() => {
        clearInterval(beat)
        response.end(data(chunk({}, 'stop')) + data('[DONE]'))
      }, 300)
    })
    const stream = createFerry({ baseURL: server.url, apiKey: 'key', idleTimeoutMs: 150 }).chat.stream(request)
    for await (const event of stream) {
      if (event.type === 'text-delta') await new Promise((resolve) => setTimeout(resolve, 250))
    }
    expect(await stream.text()).toBe('a')
  })
})

describe('the caller’s signal', () => {
  const reason = new Error('user pressed stop')

  it('cancels a plain call with its own reason', async () => {
    const server = await silent()
    const controller = new AbortController()
    const call = createFerry({ baseURL: server.url, apiKey: 'key' }).chat(request, { signal: controller.signal })
    const { closed } = await server.waitFor('POST')
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    await withinASecond(Promise.all([closed, server.waitFor('DELETE')]))
  })

  it('cancels a stream in the middle', async () => {
    const server = await startServer((_, response) => void beginStream(response).write(data(chunk({ content: 'a' }))))
    const controller = new AbortController()
    const beforeError = vi.fn()
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key', hooks: { beforeError } })
    const stream = ferry.chat.stream(request, { signal: controller.signal })
    await expect(async () => {
      for await (const event of stream) if (event.type === 'text-delta') controller.abort(reason)
    }).rejects.toBe(reason)
    await expect(stream.final()).rejects.toBe(reason)
    await withinASecond(Promise.all([server.received[0]!.closed, server.waitFor('DELETE')]))
    expect(beforeError).not.toHaveBeenCalled()
  })

  it('cancels the pause before a retry', async () => {
    const server = await startServer((_, response) =>
      answerJson(response, 503, errorBody('overloaded'), { 'retry-after': '20' }),
    )
    const controller = new AbortController()
    const hooks = { beforeRetry: () => void setTimeout(() => controller.abort(reason), 20) }
    const call = createFerry({ baseURL: server.url, apiKey: 'key', hooks }).chat(request, { signal: controller.signal })
    await expect(withinASecond(call)).rejects.toBe(reason)
  })

  it('that is aborted already sends nothing', async () => {
    const server = await silent()
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key' })
    await expect(ferry.chat(request, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await expect(ferry.chat.stream(request, { signal: AbortSignal.abort(reason) }).text()).rejects.toBe(reason)
    expect(server.received).toEqual([])
  })

  it('is let go when the call is over', async () => {
    const server = await startServer((_, response) => answerJson(response, 200, completion('hi')))
    const controller = new AbortController()
    const added = vi.spyOn(controller.signal, 'addEventListener')
    const removed = vi.spyOn(controller.signal, 'removeEventListener')
    await createFerry({ baseURL: server.url, apiKey: 'key' }).chat(request, { signal: controller.signal })
    expect(removed.mock.calls.length).toBe(added.mock.calls.length)
  })
})
