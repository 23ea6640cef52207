import type Anthropic from '@anthropic-ai/sdk'
import {
  type Content,
  FunctionCallingConfigMode,
  type GenerationConfig,
  ThinkingLevel,
  type Tool,
  type ToolConfig,
} from '@google/genai'
import type { ChatRequest } from '@llm-ferry/sdk'
import type OpenAI from 'openai'
import { expect, it } from 'vitest'
import { DIALECTS } from '../../src/vendors/registry.ts'

const schema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}

const REQUEST: ChatRequest = {
  model: 'm',
  max_completion_tokens: 4000,
  reasoning_effort: 'high',
  stop: 'END',
  stream: true,
  user: 'u1',
  service_tier: 'default',
  tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters: schema, strict: true } }],
  tool_choice: 'auto',
  response_format: { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } },
  messages: [
    { role: 'developer', content: 'be brief' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'look' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
      ],
    },
    {
      role: 'assistant',
      content: 'hm',
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"city":"Paris"}' } }],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'nope', is_error: true },
  ],
}

const send = (vendor: string, model: string) =>
  JSON.parse(JSON.stringify(DIALECTS[vendor]!.request(REQUEST, { vendor, model }).body))

// What is compared with is what the compiler has checked against the vendor's own types.
it('what OpenAI is sent is of its client’s type', () => {
  const expected = {
    model: 'gpt-5',
    max_completion_tokens: 4000,
    reasoning_effort: 'high',
    stop: 'END',
    stream: true,
    stream_options: { include_usage: true },
    user: 'u1',
    service_tier: 'default',
    tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters: schema, strict: true } }],
    tool_choice: 'auto',
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } },
    messages: [
      { role: 'developer', content: 'be brief' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'look' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
        ],
      },
      {
        role: 'assistant',
        content: 'hm',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"city":"Paris"}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'nope' },
    ],
  } satisfies OpenAI.ChatCompletionCreateParams
  expect(send('openai', 'gpt-5')).toEqual(expected)
})

it('what Anthropic is sent is of its client’s type', () => {
  const expected = {
    model: 'claude-opus-5-5',
    max_tokens: 4000,
    system: [{ type: 'text', text: 'be brief' }],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'look' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'hm' },
          { type: 'tool_use', id: 'c1', name: 'f', input: { city: 'Paris' } },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: 'nope', is_error: true }] },
    ],
    tools: [
      {
        name: 'f',
        description: 'd',
        input_schema: {
          type: 'object',
          properties: schema.properties,
          required: ['city'],
          additionalProperties: false,
        },
        strict: true,
      },
    ],
    tool_choice: { type: 'auto' },
    thinking: { type: 'adaptive', display: 'summarized' },
    output_config: { effort: 'high', format: { type: 'json_schema', schema } },
    stop_sequences: ['END'],
    metadata: { user_id: 'u1' },
    service_tier: 'standard_only',
    stream: true,
  } satisfies Anthropic.MessageCreateParams
  expect(send('anthropic', 'claude-opus-5-5')).toEqual(expected)
})

/** The wire form of generateContent: what its client builds from GenerateContentParameters. */
interface GenerateContentBody {
  contents: Content[]
  systemInstruction: Content
  tools: Tool[]
  toolConfig: ToolConfig
  generationConfig: GenerationConfig
  serviceTier: string
}

it('what Gemini is sent is of its client’s type', () => {
  const expected = {
    contents: [
      { role: 'user', parts: [{ text: 'look' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }] },
      {
        role: 'model',
        parts: [
          { text: 'hm' },
          {
            functionCall: { id: 'c1', name: 'f', args: { city: 'Paris' } },
            thoughtSignature: 'skip_thought_signature_validator',
          },
        ],
      },
      { role: 'user', parts: [{ functionResponse: { id: 'c1', name: 'f', response: { error: 'nope' } } }] },
    ],
    systemInstruction: { parts: [{ text: 'be brief' }] },
    tools: [{ functionDeclarations: [{ name: 'f', description: 'd', parametersJsonSchema: schema }] }],
    toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.VALIDATED } },
    generationConfig: {
      maxOutputTokens: 4000,
      stopSequences: ['END'],
      responseMimeType: 'application/json',
      responseJsonSchema: schema,
      thinkingConfig: { thinkingLevel: ThinkingLevel.HIGH, includeThoughts: true },
    },
    serviceTier: 'standard',
  } satisfies GenerateContentBody
  expect(send('gemini', 'gemini-3.8-flash')).toEqual(expected)
})
