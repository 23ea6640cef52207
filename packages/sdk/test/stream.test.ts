import * as undici from 'undici'
import { describe, expect, it, vi } from 'vitest'
import { type ChatEvent, ChatStream, createFerry, type Fetch } from '../src/index.ts'
import { collect } from './support/collect.ts'
import { freePort, startServer, withinASecond } from './support/server.ts'
import {
  answerJson,
  beginStream,
  chunk,
  completion,
  data,
  errorBody,
  request,
  textChunks,
  usage,
  wire,
} from './support/wire.ts'

/** A client whose server answers every chat with this body. */
async function serving(body: string, headers: Record<string, string> = {}) {
  const server = await startServer((_, response) => void beginStream(response, headers).end(body))
  return { server, ferry: createFerry({ baseURL: server.url, apiKey: 'key' }) }
}

const toolChunks = [
  chunk({ role: 'assistant', content: null, reasoning_content: 'Hmm. ' }),
  chunk({ reasoning_content: 'Weather.' }),
  chunk({ tool_calls: [{ index: 0, id: 'call_a', type: 'function', function: { name: 'weather', arguments: '' } }] }),
  chunk({ tool_calls: [{ index: 1, id: 'call_b', type: 'function', function: { name: 'time', arguments: '{"tz"' } }] }),
  chunk({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
  chunk({
    tool_calls: [
      { index: 0, function: { arguments: '"北京"}' } },
      { index: 1, function: { arguments: ':8}' } },
    ],
  }),
  chunk({ reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'Hmm. Weather.', signature: 'sig' }] }),
  chunk({}, 'tool_calls'),
  chunk({}, null, { choices: [], usage }),
]

describe('events', () => {
  it('tell a text answer from its start to its finish', async () => {
    const { ferry, server } = await serving(wire(textChunks('你', '好')))
    expect(await collect(ferry.chat.stream(request))).toEqual([
      { type: 'message-start', id: 'chatcmpl-1', model: 'gpt-5-mini' },
      { type: 'text-delta', choice: 0, text: '你' },
      { type: 'text-delta', choice: 0, text: '好' },
      { type: 'usage', usage },
      { type: 'finish', choice: 0, reason: 'stop', nativeReason: undefined },
    ])
    expect(server.received[0]?.json).toMatchObject({ stream: true, stream_options: { include_usage: true } })
  })

  it('tell reasoning and tool calls, pieces of which may alternate', async () => {
    const { ferry } = await serving(wire(toolChunks))
    const stream = ferry.chat.stream(request)
    const events = await collect(stream)
    expect(events.map(({ type }) => type)).toEqual([
      'message-start',
      'reasoning-delta',
      'reasoning-delta',
      'tool-call-start',
      'tool-call-start',
      'tool-call-delta',
      'tool-call-delta',
      'tool-call-delta',
      'tool-call-delta',
      'reasoning-complete',
      'usage',
      'tool-call-complete',
      'tool-call-complete',
      'finish',
    ])
    const complete = events.filter((event) => event.type === 'tool-call-complete')
    expect(complete.map(({ id, name, arguments: text }) => [id, name, text])).toEqual([
      ['call_a', 'weather', '{"city":"北京"}'],
      ['call_b', 'time', '{"tz":8}'],
    ])
    expect(await stream.final()).toMatchObject({
      finishReason: 'tool_calls',
      toolCalls: complete.map(({ call }) => call),
      message: {
        content: null,
        reasoning_content: 'Hmm. Weather.',
        reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'Hmm. Weather.', signature: 'sig' }],
      },
      usage,
    })
  })

  it('tell several answers apart', async () => {
    const other = (content: string, finish: 'stop' | 'length' | null = null) =>
      chunk({}, null, { choices: [{ index: 1, delta: { content }, finish_reason: finish }] })
    const { ferry } = await serving(
      wire([other('b1'), chunk({ content: 'a' }), other('b2', 'length'), chunk({}, 'stop')]),
    )
    const stream = ferry.chat.stream({ ...request, n: 2 })
    expect(await collect(stream.textDeltas())).toEqual(['a'])
    const { choices } = await stream.final()
    expect(choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason])).toEqual([
      [0, 'a', 'stop'],
      [1, 'b1b2', 'length'],
    ])
  })

  it('come at once, one by one', async () => {
    let go = () => {}
    const server = await startServer((_, response) => {
      beginStream(response).write(data(chunk({ content: 'first' })))
      go = () => response.end(data(chunk({}, 'stop')) + data('[DONE]'))
    })
    const texts: string[] = []
    for await (const text of createFerry({ baseURL: server.url, apiKey: 'key' }).chat.stream(request).textDeltas()) {
      texts.push(text)
      go()
    }
    expect(texts).toEqual(['first'])
  })
})

describe('ways to read', () => {
  it('text() and final() need no loop', async () => {
    const { ferry } = await serving(wire(textChunks('你', '好')))
    expect(await ferry.chat.stream(request).text()).toBe('你好')
    const answer = await ferry.chat.stream(request).final()
    expect(JSON.parse(JSON.stringify(answer))).toEqual(completion('你好', { usage }))
  })

  it('final() waits for whoever reads', async () => {
    const { ferry } = await serving(wire(textChunks('你好')))
    const stream = ferry.chat.stream(request)
    const events = collect(stream)
    expect((await stream.final()).text).toBe('你好')
    expect(await events).toHaveLength(4)
    expect(await stream.text()).toBe('你好')
  })

  it('a second loop is refused', async () => {
    const { ferry } = await serving(wire(textChunks('你好')))
    const stream = ferry.chat.stream(request)
    await collect(stream)
    expect(() => stream.textDeltas()).toThrow(/read once/)
    expect(() => stream.toReadableStream()).toThrow(/read once/)
    expect(() => stream[Symbol.asyncIterator]()).toThrow(/read once/)
  })

  it('passes through a server of yours to a page, errors included', async () => {
    const { ferry } = await serving(wire(textChunks('你', '好')), { 'x-ferry-vendor': 'openai' })
    const page = () =>
      new Response(ferry.chat.stream(request).toReadableStream(), { headers: { 'content-type': 'text/event-stream' } })
    expect(await page().text()).toBe(wire(textChunks('你', '好')))
    expect(await ChatStream.from(page()).text()).toBe('你好')

    const broken = await serving(data(chunk({ content: 'a' })))
    const body = broken.ferry.chat.stream(request).toReadableStream()
    const relayed = ChatStream.from(new Response(body, { headers: { 'content-type': 'text/event-stream' } }))
    await expect(relayed.text()).rejects.toMatchObject({ code: 'upstream_truncated' })
    const refused = ChatStream.from(Response.json(errorBody('quota_exceeded'), { status: 429 }))
    await expect(refused.text()).rejects.toMatchObject({ code: 'quota_exceeded' })
  })
})

describe('sentences()', () => {
  it('gives speech, whatever the pieces', async () => {
    const { ferry } = await serving(wire(textChunks('**你', '好！**今', '天很冷。', '```\n')))
    expect(await collect(ferry.chat.stream(request).sentences())).toEqual(['你好！', '今天很冷。'])
  })

  it('does not speak the rest of an answer that broke off', async () => {
    const { ferry } = await serving(data(chunk({ content: '你好！今天' })))
    const said: string[] = []
    await expect(async () => {
      for await (const sentence of ferry.chat.stream(request).sentences()) said.push(sentence)
    }).rejects.toMatchObject({ code: 'upstream_truncated' })
    expect(said).toEqual(['你好！'])
  })
})

it('runs on another fetch, such as undici’s with its own pool', async () => {
  const { server } = await serving(wire(textChunks('a')))
  const own = undici.fetch as unknown as Fetch
  const ferry = createFerry({ baseURL: server.url, apiKey: 'key', fetch: own })
  expect(await ferry.chat.stream(request).text()).toBe('a')
  const stream = createFerry({
    baseURL: `http://127.0.0.1:${await freePort()}`,
    apiKey: 'key',
    fetch: own,
    maxRetries: 0,
  }).chat.stream(request)
  await expect(stream.text()).rejects.toMatchObject({ code: 'upstream_unreachable', isRetryable: true })
})

describe('meta', () => {
  it('comes from the head', async () => {
    const { ferry } = await serving(wire(textChunks('a')), { 'x-ferry-vendor': 'gemini', 'x-ferry-request-id': 'r' })
    const stream = ferry.chat.stream(request)
    expect(await stream.meta).toMatchObject({ vendor: 'gemini', requestId: 'r' })
    expect((await stream.final()).meta.vendor).toBe('gemini')
  })

  it('comes from the first chunk when the head was too early', async () => {
    const ferryValues = { 'x-ferry-vendor': 'anthropic', 'x-ferry-attempts': '3', 'x-ferry-dropped': 'seed' }
    const late = chunk({ role: 'assistant', content: '' }, null, { ferry: ferryValues })
    const { ferry } = await serving(`: waiting\n\n${wire([late, ...textChunks('a')])}`, { 'x-ferry-request-id': 'r' })
    const { meta } = await ferry.chat.stream(request).final()
    expect(meta).toMatchObject({ vendor: 'anthropic', attempts: 3, dropped: ['seed'], requestId: 'r' })
  })
})

describe('a stream that has no proper end', () => {
  const head = data(chunk({ content: 'half' }))
  const finished = head + data(chunk({}, 'stop'))
  const second = data(chunk({}, null, { choices: [{ index: 1, delta: { content: 'x' }, finish_reason: null }] }))
  it.each([
    ['an empty body', ''],
    ['only comments', ': waiting\n\n'],
    ['no finish_reason, no [DONE]', head],
    ['no finish_reason', head + data('[DONE]')],
    ['no [DONE]', finished],
    ['only [DONE]', data('[DONE]')],
    ['[DONE] cut in the middle', `${finished}data: [DO`],
    ['[DONE] without its blank line', `${finished}data: [DONE]`],
    ['one of two answers unfinished', finished + second + data('[DONE]')],
  ])('%s: upstream_truncated, never an answer', async (_, body) => {
    const { ferry, server } = await serving(body, { 'x-ferry-request-id': 'r' })
    const stream = ferry.chat.stream(request)
    const events: ChatEvent[] = []
    const read = async () => {
      for await (const event of stream) events.push(event)
    }
    await expect(read()).rejects.toMatchObject({ code: 'upstream_truncated', requestId: 'r' })
    expect(events.map(({ type }) => type)).not.toContain('finish')
    await expect(stream.final()).rejects.toMatchObject({ code: 'upstream_truncated' })
    await expect(stream.text()).rejects.toMatchObject({ code: 'upstream_truncated' })
    expect(server.received.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })

  it('a connection that is cut: the same, and what came before was given', async () => {
    const server = await startServer(({ socket }, response) => {
      beginStream(response).write(head, () => setTimeout(() => socket.resetAndDestroy(), 50))
    })
    const stream = createFerry({ baseURL: server.url, apiKey: 'key' }).chat.stream(request)
    const texts: string[] = []
    await expect(async () => {
      for await (const text of stream.textDeltas()) texts.push(text)
    }).rejects.toMatchObject({ code: 'upstream_truncated' })
    expect(texts).toEqual(['half'])
  })

  it('an error event: its own code', async () => {
    const { ferry } = await serving(
      head + data(errorBody('vendor_overloaded', 'busy', { vendor: 'openai', vendor_code: '529' })),
    )
    const error = { code: 'vendor_overloaded', message: 'busy', vendor: 'openai', vendorCode: '529', isRetryable: true }
    await expect(ferry.chat.stream(request).text()).rejects.toMatchObject(error)
  })

  it('an error event of another gateway: vendor_error with its code kept', async () => {
    const { ferry } = await serving(head + data({ error: { message: 'boom', type: 'server_error' } }))
    await expect(ferry.chat.stream(request).text()).rejects.toMatchObject({
      code: 'vendor_error',
      vendorCode: 'server_error',
    })
  })

  it.each(['{"id":', '"text"', '7'])('an event that is no object (%s): upstream_invalid', async (garbage) => {
    const { ferry } = await serving(head + data(garbage))
    await expect(ferry.chat.stream(request).text()).rejects.toMatchObject({ code: 'upstream_invalid' })
  })

  it('an answer that is no stream: upstream_invalid; an error status: its error', async () => {
    const server = await startServer(({ json }, response) =>
      json.model === 'error'
        ? answerJson(response, 401, errorBody('authentication_failed'))
        : answerJson(response, 200, {}),
    )
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key' })
    await expect(ferry.chat.stream(request).text()).rejects.toMatchObject({ code: 'upstream_invalid' })
    const refused = ferry.chat.stream({ ...request, model: 'error' })
    await expect(refused.meta).rejects.toMatchObject({ code: 'authentication_failed' })
    await expect(refused.text()).rejects.toMatchObject({ code: 'authentication_failed' })
  })
})

describe('leaving', () => {
  const endless = () =>
    startServer((_, response) => {
      beginStream(response)
      const timer = setInterval(() => response.write(data(chunk({ content: 'a' }))), 5)
      response.on('close', () => clearInterval(timer))
    })

  it('by break closes the connection and tells the server within a second', async () => {
    const server = await endless()
    const hooks = { beforeError: vi.fn(), afterFinish: vi.fn() }
    const stream = createFerry({ baseURL: server.url, apiKey: 'key', user: 'u', hooks }).chat.stream(request)
    for await (const event of stream) if (event.type === 'text-delta') break
    const [call] = server.received
    await withinASecond(call!.closed)
    const left = await withinASecond(server.waitFor('DELETE'))
    expect(left.path).toBe(`/v1/calls/${call!.headers['idempotency-key']}`)
    expect(left.headers).toMatchObject({ authorization: 'Bearer key', 'x-ferry-user': 'u' })
    await expect(stream.final()).rejects.toMatchObject({ code: 'client_closed' })
    expect(hooks.beforeError).not.toHaveBeenCalled()
    expect(hooks.afterFinish).not.toHaveBeenCalled()
  })

  it.each<[string, (stream: ChatStream) => unknown]>([
    [
      'an exception in the loop',
      async (stream) => {
        for await (const _ of stream) throw new Error('mine')
      },
    ],
    ['return() before the first event', (stream) => stream[Symbol.asyncIterator]().return?.()],
    ['cancel()', (stream) => stream.cancel()],
    [
      'await using',
      async (stream) => {
        await using _ = stream
      },
    ],
    [
      'cancelling its ReadableStream',
      async (stream) => {
        const reader = stream.toReadableStream().getReader()
        await reader.read()
        await reader.cancel()
      },
    ],
  ])('by %s too', async (_, leave) => {
    const server = await endless()
    const stream = createFerry({ baseURL: server.url, apiKey: 'key' }).chat.stream(request)
    const { closed } = await server.waitFor('POST')
    await Promise.resolve(leave(stream)).catch(() => undefined)
    await withinASecond(Promise.all([closed, server.waitFor('DELETE')]))
  })

  it('never looks like an end to whoever still reads', async () => {
    const server = await endless()
    const stream = createFerry({ baseURL: server.url, apiKey: 'key' }).chat.stream(request)
    const iterator = stream[Symbol.asyncIterator]()
    await iterator.next()
    stream.cancel()
    const rest = async () => {
      for (;;) if ((await iterator.next()).done) return
    }
    await expect(rest()).rejects.toMatchObject({ code: 'client_closed' })
  })

  it('after the end is nothing, and the connection serves the next call', async () => {
    const { ferry, server } = await serving(wire(textChunks('a')))
    for (let i = 0; i < 3; i++) {
      const stream = ferry.chat.stream(request)
      await stream.text()
      stream.cancel()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(server.received.map(({ method }) => method)).toEqual(['POST', 'POST', 'POST'])
    expect(new Set(server.received.map(({ socket }) => socket)).size).toBe(1)
  })

  it('a failed stream that nobody reads disturbs nobody', async () => {
    const { ferry } = await serving('')
    ferry.chat.stream(request)
    await new Promise((resolve) => setTimeout(resolve, 50))
  })
})
