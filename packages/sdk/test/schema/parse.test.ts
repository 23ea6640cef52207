import { parseChatRequest, parseEmbeddingsRequest } from '@llm-ferry/sdk/schema'
import { describe, expect, it } from 'vitest'

const messages = [{ role: 'user', content: 'hi' }]
const chat = (more: object) => parseChatRequest({ model: 'm', messages, ...more })

describe('a chat request', () => {
  it('may say null for anything left out', () => {
    const parsed = chat({
      stop: null,
      tools: null,
      stream_options: { include_usage: null },
      messages: [
        { role: 'assistant', content: null, refusal: null, tool_calls: null, audio: null, function_call: null },
      ],
    })
    expect(parsed).toEqual({ model: 'm', stream_options: {}, messages: [{ role: 'assistant' }] })
  })

  it('keeps unknown fields at the top, null ones too, and no others', () => {
    const message = { role: 'assistant', content: 'a', annotations: null, parsed: {}, index: 0 }
    const parsed = chat({ top_k: 3, thinking: null, messages: [message] })
    expect(parsed).toEqual({ model: 'm', top_k: 3, thinking: null, messages: [{ role: 'assistant', content: 'a' }] })
  })

  it('changes nothing inside schemas and reasoning', () => {
    const parameters = { type: 'object', properties: { a: { enum: ['x', null], default: null } } }
    const detail = { type: 'odd', data: null, deep: { x: null }, index: 0 }
    const parsed = chat({
      tools: [{ type: 'function', function: { name: 'f', description: null, parameters } }],
      messages: [{ role: 'assistant', content: 'a', reasoning_details: [{ ...detail, data: 'd' }] }],
    })
    expect(parsed.tools).toEqual([{ type: 'function', function: { name: 'f', parameters } }])
    expect(parsed.messages[0]).toMatchObject({ reasoning_details: [{ ...detail, data: 'd' }] })
  })

  it('takes tool calls without a type', () => {
    const call = { id: 'x', function: { name: 'f', arguments: '{}' } }
    expect(chat({ messages: [{ role: 'assistant', tool_calls: [call] }] }).messages[0]).toMatchObject({
      tool_calls: [{ ...call, type: 'function' }],
    })
  })

  it('treats a field called __proto__ as a field', () => {
    const parsed = parseChatRequest(
      JSON.parse('{"model":"m","messages":[{"role":"user","content":"hi"}],"__proto__":{"n":2}}'),
    )
    expect(parsed.n).toBeUndefined()
    expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
  })

  it.each([
    ['model', { model: undefined }, 'is missing; send a string.'],
    ['messages', { messages: undefined }, 'is missing; send an array.'],
    ['messages', { messages: [] }, 'at least 1'],
    ['messages[0].role', { messages: [{ role: 'robot', content: 'x' }] }, '"tool"'],
    ['messages[1].content', { messages: [...messages, { role: 'user' }] }, 'a string or an array'],
    [
      'messages[0].content[1].type',
      { messages: [{ role: 'user', content: [{ type: 'text', text: '' }, { type: 'x' }] }] },
      '"image_url"',
    ],
    [
      'messages[0].content[0].image_url.url',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      'is missing',
    ],
    [
      'messages[0].tool_calls[0].function.name',
      { messages: [{ role: 'assistant', tool_calls: [{ id: 'x', function: {} }] }] },
      'is missing',
    ],
    ['messages[0].tool_call_id', { messages: [{ role: 'tool', content: 'x' }] }, 'is missing'],
    ['temperature', { temperature: 3 }, 'at most 2'],
    ['n', { n: 1.5 }, 'integer'],
    ['stop[0]', { stop: [1] }, 'a string'],
    ['tool_choice', { tool_choice: 'any' }, '"required"'],
    ['tool_choice.function', { tool_choice: { type: 'function' } }, 'is missing'],
    ['reasoning_effort', { reasoning_effort: 'huge' }, '"minimal"'],
    ['response_format.type', { response_format: { type: 'xml' } }, '"json_schema"'],
    ['x', { x: JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`) }, 'levels deep'],
  ])('names %s when that is wrong', (param, more, advice) => {
    expect(() => chat(more)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        status: 400,
        param,
        message: expect.stringContaining(advice),
      }),
    )
  })

  it.each([undefined, null, 'x', 3, []])('is an object, not %j', (input) => {
    expect(() => parseChatRequest(input)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
  })
})

describe('an embeddings request', () => {
  it.each(['a', ['a', 'b'], [1, 2], [[1], [2]]])('takes %j', (input) => {
    expect(parseEmbeddingsRequest({ model: 'm', input, dimensions: null }).input).toEqual(input)
  })

  it.each([[''], [[]], [[1, 'a']], [3]])('does not take %j', (input) => {
    expect(() => parseEmbeddingsRequest({ model: 'm', input })).toThrow(expect.objectContaining({ status: 400 }))
  })
})
