import Anthropic from '@anthropic-ai/sdk'
import type { ChatRequest } from '@llm-ferry/sdk'
import { describe, expect, it } from 'vitest'
import { anthropic } from '../../src/vendors/anthropic/index.ts'
import { accumulate } from './support/accumulate.ts'
import { vendorContract } from './support/contract.ts'
import { stream, streams } from './support/fixtures.ts'
import { mapAll, mapEvents, REQUEST } from './support/run.ts'
import { serveStream } from './support/server.ts'

const target = { vendor: 'anthropic', model: 'claude-opus-4-6' }
const on = (model: string) => ({ vendor: 'anthropic', model })

vendorContract('anthropic', anthropic, {
  target,
  streams: streams('anthropic'),
  isTerminal: ({ data }) => data.includes('"message_stop"'),
  errorEvent: { event: 'error', data: '{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}' },
  keyError: {
    status: 401,
    body: { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key sk-ant-secret' } },
    key: 'sk-ant-secret',
  },
})

describe('Anthropic’s own client reads the same', () => {
  it.each([...streams('anthropic')])('of stream %s', async (_, bytes) => {
    await using server = await serveStream(bytes)
    const client = new Anthropic({ apiKey: 'k', baseURL: server.url, maxRetries: 0 })
    const theirs = await client.messages.stream({ model: 'm', max_tokens: 1, messages: [] }).finalMessage()
    const ours = accumulate(mapAll(anthropic, [bytes], target))
    const fromTheirs = anthropic.response(theirs, target)
    expect(withParsedArguments(ours)).toEqual(withParsedArguments({ ...fromTheirs, created: 0 }))
  })
})

// The stream has the arguments as the model wrote them, the client has them parsed.
function withParsedArguments(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, each) => (key === 'arguments' ? JSON.parse(each) : each))
}

describe('the Anthropic stream', () => {
  const event = (value: object) => ({ data: JSON.stringify(value) })

  it('indexes interleaved tool calls in the order they began', () => {
    const mapper = anthropic.stream(REQUEST, target)
    const start = (index: number, id: string) =>
      event({ type: 'content_block_start', index, content_block: { type: 'tool_use', id, name: id, input: {} } })
    const piece = (index: number, partial_json: string) =>
      event({ type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json } })
    const chunks = mapEvents(mapper, [
      event({ type: 'message_start', message: { id: 'm', usage: { input_tokens: 1, output_tokens: 1 } } }),
      start(3, 'a'),
      start(5, 'b'),
      piece(5, '{"x":'),
      piece(3, '{"y":1}'),
      piece(5, '2}'),
      start(6, 'c'),
      event({ type: 'content_block_stop', index: 5 }),
      event({ type: 'content_block_stop', index: 3 }),
      event({ type: 'content_block_stop', index: 6 }),
      event({ type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 9 } }),
      event({ type: 'message_stop' }),
    ])
    const calls = accumulate(chunks).choices[0]?.message.tool_calls
    expect(calls?.map((call) => call.type === 'function' && [call.id, call.function.arguments])).toEqual([
      ['a', '{"y":1}'],
      ['b', '{"x":2}'],
      ['c', '{}'],
    ])
  })

  it('forwards text as soon as it is there', () => {
    const mapper = anthropic.stream(REQUEST, target)
    const delta = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } }
    expect(mapper.event(event(delta))[0]?.choices[0]?.delta).toEqual({ content: 'Hi' })
  })

  it('keeps thinking that is a signature alone', () => {
    const [last] = mapEvents(anthropic.stream(REQUEST, target), [
      event({
        type: 'content_block_start',
        index: 0,
        content_block: { type: 'thinking', thinking: '', signature: '' },
      }),
      event({ type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'SIG' } }),
      event({ type: 'content_block_stop', index: 0 }),
      event({ type: 'message_delta', delta: { stop_reason: 'end_turn' } }),
      event({ type: 'message_stop' }),
    ])
    expect(last?.choices[0]?.delta.reasoning_details).toEqual([
      {
        type: 'reasoning.text',
        text: '',
        signature: 'SIG',
        format: 'anthropic.messages.v1',
        index: 0,
        model: target.model,
      },
    ])
  })

  it('knows the usage so far when it breaks off', () => {
    const mapper = anthropic.stream(REQUEST, target)
    mapper.event(
      event({
        type: 'message_start',
        message: { usage: { input_tokens: 25, cache_read_input_tokens: 32, output_tokens: 1 } },
      }),
    )
    expect(mapper.usage()).toMatchObject({ prompt_tokens: 57, completion_tokens: 1 })
  })

  it('overwrites usage, and keeps what a later report leaves null', () => {
    const [last] = mapAll(anthropic, [stream('anthropic.text.sse')], target).slice(-1)
    expect(last?.usage).toEqual({
      prompt_tokens: 57,
      completion_tokens: 40,
      total_tokens: 97,
      prompt_tokens_details: { cached_tokens: 32, cache_write_tokens: 0, cache_write_1h_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 16 },
    })
    const mapper = anthropic.stream(REQUEST, target)
    mapper.event(event({ type: 'message_start', message: { usage: { input_tokens: 5, output_tokens: 1 } } }))
    mapper.event(event({ type: 'message_delta', delta: {}, usage: { input_tokens: null, output_tokens: 7 } }))
    expect(mapper.usage()).toMatchObject({ prompt_tokens: 5, completion_tokens: 7 })
  })

  it('tells how it ended, in the vendor’s words too', () => {
    const finish = (name: string) => accumulate(mapAll(anthropic, [stream(`anthropic.${name}.sse`)], target)).choices[0]
    expect(finish('stop_sequence')).toMatchObject({
      finish_reason: 'stop',
      stop_sequence: 'END',
      native_finish_reason: 'stop_sequence',
    })
    expect(finish('max_tokens')).toMatchObject({ finish_reason: 'length', native_finish_reason: 'max_tokens' })
    expect(finish('refusal')).toMatchObject({ finish_reason: 'content_filter', message: { refusal: 'This request…' } })
    expect(finish('citations')?.message.annotations).toEqual([
      {
        type: 'url_citation',
        url_citation: { url: 'document:0', title: 'D', start_index: 0, end_index: 4, cited_text: 'sky is blue' },
      },
    ])
  })
})

describe('the Anthropic request', () => {
  type Body = Anthropic.MessageCreateParamsNonStreaming
  const send = (request: Partial<ChatRequest>, to = target) => {
    const wire = anthropic.request({ ...REQUEST, stream: false, ...request }, to)
    return { ...wire, body: wire.body as Body }
  }
  const refused = (param: string, code = 'unsupported_parameter') =>
    expect.objectContaining({ code, status: 400, param })
  const tool = (name: string, parameters: Record<string, unknown> = { type: 'object', properties: {} }) => ({
    type: 'function' as const,
    function: { name, parameters },
  })

  it('takes the token limit from the caller, the target or the model, never above the model’s', () => {
    expect(send({ max_tokens: 7 }).body.max_tokens).toBe(7)
    expect(send({ max_tokens: 7, max_completion_tokens: 8 }).body.max_tokens).toBe(8)
    expect(send({}, { ...target, maxOutputTokens: 99 } as typeof target).body.max_tokens).toBe(99)
    expect(send({}).body.max_tokens).toBe(128_000)
    expect(send({ max_tokens: 1_000_000 }, on('claude-haiku-4-5')).body.max_tokens).toBe(64_000)
  })

  it('gathers instructions, or leaves them in place where the model allows', () => {
    const messages: ChatRequest['messages'] = [
      { role: 'system', content: 'a' },
      { role: 'developer', content: 'b' },
      { role: 'user', content: 'c' },
      { role: 'assistant', content: 'd' },
      { role: 'system', content: 'e' },
      { role: 'user', content: 'f' },
    ]
    const text = (text: string) => ({ type: 'text', text })
    const old = send({ messages }).body
    expect(old.system).toEqual([text('a'), text('b'), text('e')])
    expect(old.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user'])
    const fresh = send({ messages }, on('claude-opus-5')).body
    expect(fresh.system).toEqual([text('a'), text('b')])
    expect(fresh.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'system'])
  })

  it('merges turns, and puts tool results first in one turn', () => {
    const call = (id: string) => ({ id, type: 'function' as const, function: { name: 'f', arguments: '{"a":1}' } })
    const { body } = send({
      messages: [
        { role: 'user', content: 'a' },
        {
          role: 'user',
          content: [
            { type: 'text', text: '' },
            { type: 'text', text: 'b', cache_control: { type: 'ephemeral', ttl: '1h' } },
          ],
        },
        { role: 'assistant', tool_calls: [call('x'), call('functions.f:0')] },
        { role: 'user', content: 'wait' },
        { role: 'tool', tool_call_id: 'x', content: 'ok' },
        { role: 'tool', tool_call_id: 'functions.f:0', content: [{ type: 'text', text: 'no' }], is_error: true },
      ],
      tools: [tool('f')],
    })
    const second = `toolu_${Buffer.from('functions.f:0').toString('base64url')}`
    expect(body.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b', cache_control: { type: 'ephemeral', ttl: '1h' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'x', name: 'f', input: { a: 1 } },
          { type: 'tool_use', id: second, name: 'f', input: { a: 1 } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'x', content: 'ok' },
          { type: 'tool_result', tool_use_id: second, content: [{ type: 'text', text: 'no' }], is_error: true },
          { type: 'text', text: 'wait' },
        ],
      },
    ])
  })

  it('sends images and documents by bytes, address or id', () => {
    const { body } = send({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,BBBB', filename: 'a.pdf' } },
            { type: 'file', file: { file_data: `data:text/plain;base64,${Buffer.from('héllo').toString('base64')}` } },
            { type: 'file', file: { file_id: 'file_1' } },
          ],
        },
      ],
    })
    expect(body.messages[0]?.content).toEqual([
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
      { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
      { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'BBBB' }, title: 'a.pdf' },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'héllo' } },
      { type: 'document', source: { type: 'file', file_id: 'file_1' } },
    ] satisfies Anthropic.ContentBlockParam[])
  })

  it.each([
    ['none', { type: 'none' }],
    ['auto', { type: 'auto' }],
    ['required', { type: 'any' }],
    [
      { type: 'function', function: { name: 'f' } },
      { type: 'tool', name: 'f' },
    ],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'g' } }] },
      },
      { type: 'any' },
    ],
  ] as [ChatRequest['tool_choice'], Anthropic.ToolChoice][])('translates tool_choice %j', (tool_choice, expected) => {
    const { body } = send({ tools: [tool('f'), tool('g')], tool_choice })
    expect(body.tool_choice).toEqual(expected)
    const single = send({ tools: [tool('f'), tool('g')], tool_choice, parallel_tool_calls: false }).body.tool_choice
    expect(single).toEqual(expected.type === 'none' ? expected : { ...expected, disable_parallel_tool_use: true })
    const narrowed = typeof tool_choice === 'object' && tool_choice.type === 'allowed_tools'
    expect(body.tools).toHaveLength(narrowed ? 1 : 2)
  })

  it('names tools of earlier turns when none is offered any more', () => {
    const { body } = send({
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: '' } }] },
        { role: 'tool', tool_call_id: 'x', content: '' },
      ],
    })
    expect(body.tools).toEqual([{ name: 'f', input_schema: { type: 'object', properties: {} } }])
    expect(body.tool_choice).toEqual({ type: 'none' })
  })

  it.each([
    ['claude-opus-4-6', 'low', { type: 'adaptive' }, 'low'],
    ['claude-opus-4-6', 'xhigh', { type: 'adaptive' }, 'high'],
    ['claude-opus-4-6', 'minimal', { type: 'adaptive' }, 'low'],
    ['claude-opus-4-8', 'xhigh', { type: 'adaptive', display: 'summarized' }, 'xhigh'],
    ['claude-opus-4-6', 'none', undefined, undefined],
    ['claude-opus-5', 'none', { type: 'disabled' }, undefined],
    ['claude-sonnet-5-5', 'none', { type: 'between_tools' }, undefined],
    ['claude-opus-5-5', 'none', undefined, 'low'],
    ['claude-sonnet-4-5', 'medium', { type: 'enabled', budget_tokens: 8192 }, undefined],
    ['claude-opus-4-5', 'max', { type: 'enabled', budget_tokens: 63_999 }, 'high'],
  ] as const)('tells %s to reason %s', (model, reasoning_effort, thinking, effort) => {
    const { body, dropped } = send({ reasoning_effort }, on(model))
    expect(body.thinking).toEqual(thinking)
    expect(body.output_config?.effort).toBe(effort)
    expect(dropped).toEqual([])
  })

  it('shows what a model that always thinks says between tool calls', () => {
    expect(send({}, on('claude-opus-5-5')).body.thinking).toEqual({ type: 'adaptive', display: 'summarized' })
    expect(send({}, on('claude-opus-5')).body.thinking).toBeUndefined()
  })

  it('refuses to force tools on a model that always thinks, not on one it does not know', () => {
    const request: Partial<ChatRequest> = { tools: [tool('f')], tool_choice: 'required' }
    expect(() => send(request, on('claude-opus-5-5'))).toThrow(refused('tool_choice'))
    expect(send(request, on('claude-next')).body.tool_choice).toEqual({ type: 'any' })
  })

  it('sends no model the thinking of another one', () => {
    const thinking = { type: 'reasoning.text', text: 'hm', signature: 's', format: 'anthropic.messages.v1' }
    const messages = (model: string): ChatRequest['messages'] => [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b', reasoning_details: [{ ...thinking, model }] },
      { role: 'user', content: 'c' },
    ]
    const text = { type: 'text', text: 'b' }
    expect(send({ messages: messages('claude-opus-5') }).body.messages[1]?.content).toEqual([text])
    const own = send({ messages: messages(target.model) }).body.messages[1]?.content
    expect(own).toEqual([{ type: 'thinking', thinking: 'hm', signature: 's' }, text])
  })

  it('does without thinking where it would be refused, and says so', () => {
    const forced: Partial<ChatRequest> = { reasoning_effort: 'high', tools: [tool('f')], tool_choice: 'required' }
    expect(send(forced).body.thinking).toBeUndefined()
    expect(send(forced).dropped).toEqual(['reasoning_effort'])
    expect(send(forced, on('claude-opus-5')).body.thinking).toEqual({ type: 'disabled' })
    expect(send({ reasoning_effort: 'low', max_tokens: 500 }, on('claude-sonnet-4-5')).dropped).toEqual([
      'reasoning_effort',
    ])
    expect(send({ reasoning_effort: 'low' }, on('claude-3-5-haiku-latest')).dropped).toEqual(['reasoning_effort'])
    const lost = send(
      {
        reasoning_effort: 'low',
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: '' } }] },
          { role: 'tool', tool_call_id: 'x', content: '' },
        ],
      },
      on('claude-sonnet-4-5'),
    )
    expect(lost.dropped).toEqual(['reasoning_effort'])
  })

  it('samples only where the model does, with the version that allows it', () => {
    const old = send({ temperature: 1.5, top_p: 0.9 }, on('claude-sonnet-4-5'))
    expect(old.body).toMatchObject({ temperature: 1 })
    expect(old.headers['anthropic-version']).toBe('2023-06-01')
    // 1 is the vendor's most: what is sent is not what was asked for, and the caller is told.
    expect(old.dropped).toEqual(['temperature', 'top_p'])
    expect(send({ temperature: 1 }, on('claude-sonnet-4-5')).dropped).toEqual([])
    const fresh = send(
      { temperature: 1.5, top_p: 0.9, seed: 0, logit_bias: {}, frequency_penalty: 1, top_k: 3, x: null },
      on('claude-opus-5'),
    )
    expect(fresh.body).not.toHaveProperty('temperature')
    expect(fresh.headers['anthropic-version']).toBe('2026-10-21')
    expect(fresh.dropped).toEqual(['temperature', 'top_p', 'frequency_penalty', 'logit_bias', 'seed', 'top_k'])
  })

  it('rewrites an answer’s schema to what the vendor compiles', () => {
    const schema = {
      $schema: 'x',
      type: 'object',
      properties: {
        n: { type: 'integer', minimum: 1, description: 'N' },
        kind: { const: 'a' },
        either: {
          oneOf: [
            { type: 'string', format: 'email' },
            { type: 'string', format: 'phone' },
          ],
        },
        more: { $ref: '#/definitions/more' },
      },
      definitions: { more: { type: 'object', properties: {}, additionalProperties: true } },
    }
    const { body } = send({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } })
    expect(body.output_config?.format?.schema).toEqual({
      type: 'object',
      properties: {
        n: { type: 'integer', description: 'N\n(minimum: 1)' },
        kind: { enum: ['a'] },
        either: {
          anyOf: [
            { type: 'string', format: 'email' },
            { type: 'string', description: '(format: "phone")' },
          ],
        },
        more: { $ref: '#/$defs/more' },
      },
      $defs: {
        more: {
          type: 'object',
          properties: {},
          additionalProperties: false,
          description: '(additionalProperties: true)',
        },
      },
      additionalProperties: false,
    })
  })

  it.each([
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['top_logprobs', { top_logprobs: 2 }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['audio', { audio: {} }],
    ['web_search_options', { web_search_options: {} }],
    ['response_format', { response_format: { type: 'json_object' } }],
    ['stop', { stop: [' '] }],
    ['tools[0].type', { tools: [{ type: 'custom', custom: { name: 'x' } }] }],
    ['tools[0].function.parameters', { tools: [tool('f', { anyOf: [] })] }],
    ['response_format.json_schema.schema.properties.a', schemaWith({ not: {} })],
    [
      'messages[0].content[0]',
      { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'A', format: 'wav' } }] }] },
    ],
    [
      'messages[0].content[0].image_url.url',
      {
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/tiff;base64,A' } }] }],
      },
    ],
    [
      'messages[1]',
      {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ],
      },
    ],
  ] as [string, Partial<ChatRequest>][])('refuses %s by name', (param, request) => {
    expect(() => send(request)).toThrow(refused(param))
  })

  it.each([
    ['messages', { messages: [{ role: 'system', content: 'a' }] }],
    [
      'messages[1].tool_call_id',
      {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'tool', tool_call_id: 'x', content: '' },
        ],
      },
    ],
    [
      'messages[0].tool_calls[0]',
      {
        messages: [
          { role: 'assistant', tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: '' } }] },
        ],
      },
    ],
    [
      'messages[0].tool_calls[0].function.arguments',
      {
        messages: [
          { role: 'assistant', tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: '{"a' } }] },
          { role: 'tool', tool_call_id: 'x', content: '' },
        ],
      },
    ],
    ['messages[0].content[0].file', { messages: [{ role: 'user', content: [{ type: 'file', file: {} }] }] }],
  ] as [string, Partial<ChatRequest>][])('finds what is wrong with %s', (param, request) => {
    expect(() => send(request)).toThrow(refused(param, 'invalid_request'))
  })

  it('gives user, tier and cache marks their places', () => {
    const { body, dropped } = send({
      user: 'u',
      safety_identifier: 's',
      service_tier: 'default',
      cache_control: { type: 'ephemeral' },
      metadata: { a: 'b' },
      prompt_cache_key: 'k',
      store: true,
    })
    expect(body).toMatchObject({
      metadata: { user_id: 's' },
      service_tier: 'standard_only',
      cache_control: { type: 'ephemeral' },
    })
    expect(dropped).toEqual(['metadata', 'store', 'prompt_cache_key'])
  })
})

function schemaWith(property: Record<string, unknown>): Partial<ChatRequest> {
  const schema = { type: 'object', properties: { a: property } }
  return { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } }
}

describe('errors of Anthropic', () => {
  const of = (status: number, type: string, message = 'm') =>
    anthropic.error(
      { status, headers: { 'request-id': 'req_1' }, body: { type: 'error', error: { type, message } } },
      target,
    )

  it.each([
    [400, 'invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum', 'context_length_exceeded'],
    [400, 'invalid_request_error', 'Output blocked by content filtering policy', 'content_policy_violation'],
    [400, 'invalid_request_error', 'Your credit balance is too low', 'vendor_quota_exhausted'],
    [400, 'invalid_request_error', 'messages.0: bad', 'invalid_request'],
    [402, 'billing_error', 'm', 'vendor_quota_exhausted'],
    [403, 'permission_error', 'm', 'vendor_key_rejected'],
    [404, 'not_found_error', 'model: x', 'model_not_found'],
    [413, 'request_too_large', 'm', 'request_too_large'],
    [429, 'rate_limit_error', 'm', 'vendor_rate_limited'],
    [500, 'api_error', 'm', 'vendor_error'],
    [529, 'overloaded_error', 'm', 'vendor_overloaded'],
  ])('%i %s %s is %s', (status, type, message, code) => {
    expect(of(status, type, message)).toMatchObject({ code, vendorCode: type, cause: { requestId: 'req_1' } })
  })
})
