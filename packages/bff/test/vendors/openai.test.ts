import type { ChatRequest } from '@llm-ferry/sdk'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { openai } from '../../src/vendors/openai/index.ts'
import { accumulate } from './support/accumulate.ts'
import { vendorContract } from './support/contract.ts'
import { stream, streams } from './support/fixtures.ts'
import { eventsOf, mapAll, mapEvents, REQUEST } from './support/run.ts'
import { serveStream } from './support/server.ts'

const target = { vendor: 'openai', model: 'gpt-5' }
const other = { vendor: 'deepseek', model: 'deepseek-chat' }
const chunk = (choice: object, more: object = {}) => ({
  data: JSON.stringify({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [choice],
    ...more,
  }),
})

vendorContract('openai', openai, {
  target,
  streams: streams('openai'),
  isTerminal: ({ data }) => /"finish_reason":"/.test(data),
  errorEvent: {
    data: '{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded","param":null}}',
  },
  keyError: {
    status: 401,
    body: { error: { message: 'Incorrect API key provided: sk-secret-1234.', code: 'invalid_api_key' } },
    key: 'sk-secret-1234',
  },
})

describe('OpenAI’s own client reads the same', () => {
  it.each([...streams('openai')])('of stream %s', async (_, bytes) => {
    await using server = await serveStream(bytes)
    const client = new OpenAI({ apiKey: 'k', baseURL: `${server.url}/v1`, maxRetries: 0 })
    const reader = client.chat.completions.stream({ model: 'm', messages: [], stream_options: { include_usage: true } })
    const theirs = await reader.finalChatCompletion()
    const ours = accumulate(mapAll(openai, [bytes], target))
    const [choice] = theirs.choices
    expect(ours.choices[0]).toMatchObject({ finish_reason: choice?.finish_reason, index: 0 })
    expect(ours.choices[0]?.message.content ?? '').toBe(choice?.message.content ?? '')
    expect(ours.choices[0]?.message.refusal || null).toBe(choice?.message.refusal || null)
    expect(ours.choices[0]?.message.tool_calls).toEqual(
      choice?.message.tool_calls?.map((call) => ({
        id: call.id,
        type: call.type,
        function: call.type === 'function' && { name: call.function.name, arguments: call.function.arguments },
      })),
    )
    expect(ours.usage).toEqual(theirs.usage)
  })
})

describe('the OpenAI stream', () => {
  it('passes plain chunks on as they came', () => {
    const mapper = openai.stream(REQUEST, target)
    for (const event of eventsOf([stream('openai.tools.sse')])) {
      const [mapped] = mapper.event(event)
      if (!mapped) continue
      expect(mapper.verbatim).toBe(true)
      expect(JSON.stringify(mapped)).toBe(event.data)
    }
  })

  it('keeps fields it does not know', () => {
    const [mapped] = openai
      .stream(REQUEST, target)
      .event(chunk({ index: 0, delta: { x: 1 }, finish_reason: null }, { y: 2 }))
    expect(mapped).toMatchObject({ y: 2, choices: [{ delta: { x: 1 } }] })
  })

  it('does not need [DONE], but every answer asked for', () => {
    const two = { ...REQUEST, n: 2 }
    const mapper = openai.stream(two, target)
    mapEvents(mapper, [chunk({ index: 0, delta: { content: 'a' }, finish_reason: 'stop' })])
    expect(() => mapper.end()).toThrow(expect.objectContaining({ code: 'upstream_truncated' }))
    mapEvents(mapper, [chunk({ index: 1, delta: { content: 'b' }, finish_reason: 'stop' })])
    expect(mapper.end()).toEqual([])
  })

  it('is cut when [DONE] comes without a finish', () => {
    const mapper = openai.stream(REQUEST, target)
    mapEvents(mapper, [chunk({ index: 0, delta: { content: 'a' }, finish_reason: null }), { data: '[DONE]' }])
    expect(() => mapper.end()).toThrow(expect.objectContaining({ code: 'upstream_truncated' }))
  })

  it('gives tool calls the index that some vendors leave out', () => {
    const calls = [
      { id: 'a', function: { name: 'f', arguments: '{}' } },
      { id: 'b', function: { name: 'g', arguments: '{}' } },
    ]
    const mapper = openai.stream(REQUEST, other)
    const [mapped] = mapper.event(chunk({ index: 0, delta: { tool_calls: calls }, finish_reason: null }))
    expect(mapped?.choices[0]?.delta.tool_calls?.map(({ index }) => index)).toEqual([0, 1])
    expect(mapper.verbatim).toBe(false)
  })

  it('gathers reasoning details that come in fragments, and calls reasoning by one name', () => {
    const mapper = openai.stream(REQUEST, other)
    const piece = (delta: object, finish: string | null = null) => chunk({ index: 0, delta, finish_reason: finish })
    const chunks = mapEvents(mapper, [
      piece({
        role: 'assistant',
        reasoning: 'a',
        reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'a' }],
      }),
      piece({ reasoning: 'b', reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'b', signature: 's' }] }),
      piece({}, 'stop'),
    ])
    const [first, second, last] = chunks.map(({ choices }) => JSON.parse(JSON.stringify(choices[0]?.delta)))
    expect(first).toEqual({ role: 'assistant', reasoning_content: 'a' })
    expect(second).toEqual({ reasoning_content: 'b' })
    expect(last).toEqual({ reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'ab', signature: 's' }] })
  })

  it('takes a vendor that gave up for an error, not for an end', () => {
    const mapper = openai.stream(REQUEST, other)
    const end = chunk({ index: 0, delta: {}, finish_reason: 'insufficient_system_resource' })
    expect(() => mapper.event(end)).toThrow(expect.objectContaining({ code: 'vendor_overloaded' }))
  })
})

describe('usage of OpenAI-dialect vendors', () => {
  const usageOf = (usage: object) => {
    const mapper = openai.stream(REQUEST, other)
    mapper.event(chunk({ index: 0, delta: {}, finish_reason: 'stop' }, { usage }))
    return mapper.usage()
  }

  it('has cached tokens under one name', () => {
    const usage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12, prompt_cache_hit_tokens: 8 }
    expect(usageOf(usage)).toMatchObject({ prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 8 } })
  })

  it('includes reasoning that a vendor counts beside the completion', () => {
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 2,
      total_tokens: 15,
      completion_tokens_details: { reasoning_tokens: 3 },
    }
    expect(usageOf(usage)).toMatchObject({ completion_tokens: 5, total_tokens: 15 })
  })

  it('is unknown, not zero, when it is not told', () => {
    const mapper = openai.stream(REQUEST, other)
    mapper.event(chunk({ index: 0, delta: {}, finish_reason: 'stop' }, { usage: null }))
    expect(mapper.usage()).toBeUndefined()
    expect(usageOf({})).toBeUndefined()
  })
})

describe('the OpenAI request', () => {
  const send = (request: Partial<ChatRequest>, to = target) => {
    const { body, ...wire } = openai.request({ ...REQUEST, ...request }, to)
    return { ...wire, body: JSON.parse(JSON.stringify(body)) }
  }

  it('keeps unknown fields, and asks for usage in any case', () => {
    const { body, dropped } = send({ moderation: { model: 'x' }, temperature: 0.3 })
    expect(body).toMatchObject({ model: 'gpt-5', moderation: { model: 'x' }, temperature: 0.3 })
    expect(body.stream_options).toEqual({ include_usage: true })
    expect(dropped).toEqual([])
  })

  it('sends OpenAI no field of ours, and others what they may need', () => {
    const messages: ChatRequest['messages'] = [
      { role: 'developer', content: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }] },
      {
        role: 'assistant',
        content: 'a',
        reasoning_content: 'r',
        reasoning_details: [{ type: 'reasoning.text', text: 'r', signature: 's', format: 'anthropic.messages.v1' }],
      },
    ]
    expect(send({ messages }).body.messages).toEqual([
      { role: 'developer', content: [{ type: 'text', text: 'x' }] },
      { role: 'assistant', content: 'a' },
    ])
    expect(send({ messages }, other).body.messages).toEqual([
      { role: 'system', content: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }] },
      { role: 'assistant', content: 'a', reasoning_content: 'r' },
    ])
  })

  it('uses the name of the token limit that the vendor knows', () => {
    expect(send({ max_tokens: 5 }).body).toMatchObject({ max_completion_tokens: 5 })
    expect(send({ max_completion_tokens: 5 }, other).body).toMatchObject({ max_tokens: 5 })
  })
})

describe('errors of OpenAI-dialect vendors', () => {
  it.each([
    [400, { code: 'context_length_exceeded' }, 'context_length_exceeded'],
    [400, { message: "This model's maximum context length is 8192 tokens" }, 'context_length_exceeded'],
    [400, { message: 'Content Exists Risk', type: 'invalid_request_error' }, 'content_policy_violation'],
    [400, { message: 'x', param: 'messages[0]', type: 'invalid_request_error' }, 'invalid_request'],
    [402, { message: 'Insufficient Balance' }, 'vendor_quota_exhausted'],
    [403, { message: 'x' }, 'vendor_key_rejected'],
    [404, { code: 'model_not_found' }, 'model_not_found'],
    [429, { code: 'insufficient_quota' }, 'vendor_quota_exhausted'],
    [429, { code: 'rate_limit_exceeded' }, 'vendor_rate_limited'],
    [500, {}, 'vendor_error'],
    [503, {}, 'vendor_overloaded'],
  ])('%i %j is %s', (status, error, code) => {
    expect(openai.error({ status, headers: {}, body: { error } }, target)).toMatchObject({ code })
  })

  it('keeps the vendor’s words and request id, without what looks like a key', () => {
    const body = { error: { message: 'bad sk-abcdefgh12345 here', code: 'odd' } }
    const error = openai.error({ status: 400, headers: { 'x-request-id': 'req_1' }, body }, target)
    expect(error).toMatchObject({ message: 'bad [redacted] here', vendorCode: 'odd', cause: { requestId: 'req_1' } })
  })

  it('lets the relay’s own code stand, but blames no caller for the relay’s token', () => {
    const of = (code: string, status: number) =>
      openai.error({ status, headers: { 'x-ferry-error': code }, body: { error: { message: 'm' } } }, target).code
    expect(of('draining', 503)).toBe('draining')
    expect(of('authentication_failed', 401)).toBe('internal_error')
    expect(of('vendor_key_rejected', 502)).toBe('vendor_key_rejected')
  })
})
