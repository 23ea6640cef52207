import type { ChatRequest } from '@llm-ferry/sdk'

/** One thing a request can ask for: what is added to a plain request. */
export interface Feature {
  readonly name: string
  readonly add: Readonly<Record<string, unknown>>
  /** The request without it, where that is not the plain one. */
  readonly base?: Readonly<Record<string, unknown>>
}

const user = (...content: object[]) => ({ messages: [{ role: 'user', content }] })
const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }
const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }]
const turn = (assistant: object, result: object = {}) => ({
  tools,
  messages: [
    { role: 'user', content: 'hi' },
    { role: 'assistant', tool_calls: [call], ...assistant },
    { role: 'tool', tool_call_id: 'call_1', content: 'done', ...result },
  ],
})
const TURN = turn({})
const schema = (property: object) => ({
  response_format: {
    type: 'json_schema',
    json_schema: { name: 'x', schema: { type: 'object', properties: { a: property } } },
  },
})
const toolWith = (property: object) => ({
  tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: { a: property } } } }],
})

export const PLAIN: ChatRequest = { model: 'm', messages: [{ role: 'user', content: 'hi' }] }

export const FEATURES: readonly (readonly [group: string, features: readonly Feature[]])[] = [
  [
    'Messages',
    [
      {
        name: 'system or developer first',
        add: { messages: [{ role: 'developer', content: 'be brief' }, ...PLAIN.messages] },
      },
      {
        name: 'system later',
        add: {
          messages: [
            ...PLAIN.messages,
            { role: 'assistant', content: 'a' },
            { role: 'system', content: 'b' },
            { role: 'user', content: 'c' },
          ],
        },
      },
      {
        name: 'two user messages in a row',
        add: { messages: [...PLAIN.messages, { role: 'user', content: 'there' }] },
      },
      {
        name: 'assistant message last (prefill)',
        add: { messages: [...PLAIN.messages, { role: 'assistant', content: 'Once' }] },
      },
      {
        name: 'image, `data:` URL',
        add: user({ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }),
      },
      {
        name: 'image, http(s) address',
        add: user({ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }),
      },
      { name: 'PDF', add: user({ type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA' } }) },
      { name: 'plain text file', add: user({ type: 'file', file: { file_data: 'data:text/plain;base64,AAAA' } }) },
      { name: 'file by id', add: user({ type: 'file', file: { file_id: 'file-1' } }) },
      { name: 'audio', add: user({ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }) },
      {
        name: '`cache_control` on a part',
        add: user({ type: 'text', text: 'hi', cache_control: { type: 'ephemeral' } }),
        base: user({ type: 'text', text: 'hi' }),
      },
    ],
  ],
  [
    'Tools',
    [
      { name: '`tools`', add: { tools } },
      {
        name: '`strict` tool',
        add: { tools: [{ type: 'function', function: { ...tools[0]!.function, strict: true } }] },
      },
      { name: 'tool schema with `minLength`', add: toolWith({ type: 'string', minLength: 1 }) },
      { name: 'tool schema with `oneOf`', add: toolWith({ oneOf: [{ type: 'string' }, { type: 'number' }] }) },
      { name: 'tool schema with `not`', add: toolWith({ not: { type: 'string' } }) },
      { name: 'custom tool', add: { tools: [{ type: 'custom', custom: { name: 'x' } }] } },
      { name: '`tool_choice: none`', add: { tools, tool_choice: 'none' }, base: { tools } },
      { name: '`tool_choice: required`', add: { tools, tool_choice: 'required' }, base: { tools } },
      {
        name: '`tool_choice`, one function',
        add: { tools, tool_choice: { type: 'function', function: { name: 'f' } } },
        base: { tools },
      },
      {
        name: '`tool_choice: allowed_tools`',
        add: {
          tools,
          tool_choice: {
            type: 'allowed_tools',
            allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
          },
        },
        base: { tools },
      },
      { name: '`parallel_tool_calls: false`', add: { tools, parallel_tool_calls: false }, base: { tools } },
      { name: 'tool calls and results', add: TURN, base: { tools } },
      { name: 'failed result (`is_error`)', add: turn({}, { is_error: true }), base: TURN },
      {
        name: 'image in a result',
        add: turn({}, { content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }),
        base: TURN,
      },
    ],
  ],
  [
    'Reasoning',
    [
      { name: '`reasoning_effort: high`', add: { reasoning_effort: 'high' } },
      { name: '`reasoning_effort: none`', add: { reasoning_effort: 'none' } },
      { name: '`reasoning_content` echoed', add: turn({ reasoning_content: 'hmm' }), base: TURN },
      {
        name: 'Anthropic’s `reasoning_details` echoed',
        add: turn({
          reasoning_details: [{ type: 'reasoning.text', text: 'hmm', signature: 's', format: 'anthropic.messages.v1' }],
        }),
        base: TURN,
      },
      {
        name: 'Gemini’s `reasoning_details` echoed',
        add: turn({
          reasoning_details: [{ type: 'reasoning.encrypted', data: 's', id: 'call_1', format: 'gemini.parts.v1' }],
        }),
        base: TURN,
      },
    ],
  ],
  [
    'Answer',
    [
      { name: '`max_completion_tokens`', add: { max_completion_tokens: 7 } },
      { name: '`max_tokens`', add: { max_tokens: 7 } },
      { name: '`stop`', add: { stop: ['END'] } },
      { name: '`n` above 1', add: { n: 2 } },
      { name: '`logprobs`', add: { logprobs: true, top_logprobs: 2 } },
      { name: '`response_format: json_object`', add: { response_format: { type: 'json_object' } } },
      { name: '`response_format: json_schema`', add: schema({ type: 'string' }) },
      { name: 'schema with `minimum`', add: schema({ type: 'number', minimum: 1 }) },
      { name: '`modalities: [text, image]`', add: { modalities: ['text', 'image'] } },
      {
        name: '`modalities: [text, audio]`, `audio`',
        add: { modalities: ['text', 'audio'], audio: { voice: 'ash', format: 'wav' } },
      },
      { name: '`verbosity`', add: { verbosity: 'low' } },
      { name: '`prediction`', add: { prediction: { type: 'content', content: 'x' } } },
    ],
  ],
  [
    'Sampling',
    [
      { name: '`temperature`', add: { temperature: 0.3 } },
      { name: '`top_p`', add: { top_p: 0.9 } },
      { name: '`frequency_penalty`, `presence_penalty`', add: { frequency_penalty: 1, presence_penalty: 1 } },
      { name: '`seed`', add: { seed: 7 } },
      { name: '`logit_bias`', add: { logit_bias: { 5: 1 } } },
    ],
  ],
  [
    'Account',
    [
      { name: '`user`', add: { user: 'u1' } },
      { name: '`safety_identifier`', add: { safety_identifier: 'u1' } },
      { name: '`metadata`', add: { metadata: { a: 'b' } } },
      { name: '`store`', add: { store: true } },
      { name: '`service_tier: default`', add: { service_tier: 'default' } },
      { name: '`service_tier: flex`', add: { service_tier: 'flex' } },
      { name: '`prompt_cache_key`', add: { prompt_cache_key: 'k' } },
      { name: '`cache_control`', add: { cache_control: { type: 'ephemeral' } } },
      { name: '`web_search_options`', add: { web_search_options: {} } },
      { name: '`functions`, `function_call`', add: { functions: [{ name: 'f' }], function_call: 'auto' } },
      { name: 'any unknown field', add: { unknown_field: 1 } },
    ],
  ],
]
