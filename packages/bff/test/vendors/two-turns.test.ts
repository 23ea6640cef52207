import { parseChatRequest } from '@llm-ferry/sdk/schema'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { DIALECTS } from '../../src/vendors/registry.ts'
import type { Target, VendorAdapter } from '../../src/vendors/vendor.ts'
import { stream } from './support/fixtures.ts'
import { mapAll } from './support/run.ts'
import { readJson, serve } from './support/server.ts'

type Message = OpenAI.ChatCompletionMessageParam

const TOOLS: OpenAI.ChatCompletionTool[] = [
  {
    type: 'function',
    function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
]

/** The normalized chat in one page: answers each request with the next recorded stream. */
function miniature(adapter: VendorAdapter, target: Target, recordings: string[], sent: unknown[]) {
  return serve(async (request, response) => {
    const chat = parseChatRequest(await readJson(request))
    sent.push(JSON.parse(JSON.stringify(adapter.request(chat, target).body)))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const bytes = stream(recordings.shift() ?? '')
    for (const chunk of mapAll(adapter, [bytes], target, chat)) response.write(`data: ${JSON.stringify(chunk)}\n\n`)
    response.end('data: [DONE]\n\n')
  })
}

/** Two turns with tools through OpenAI's own accumulator, its message echoed as it is. Returns what the vendor was sent. */
async function converse(dialect: string, target: Target, recordings: string[]): Promise<Record<string, unknown>[]> {
  const sent: Record<string, unknown>[] = []
  await using server = await miniature(DIALECTS[dialect]!, target, recordings, sent)
  const client = new OpenAI({ apiKey: 'k', baseURL: `${server.url}/v1`, maxRetries: 0 })
  const messages: Message[] = [{ role: 'user', content: 'Weather?' }]
  const ask = () => client.chat.completions.stream({ model: 'm', messages, tools: TOOLS, reasoning_effort: 'low' })
  const message = await ask().finalMessage()
  messages.push(message)
  for (const call of message.tool_calls ?? [])
    messages.push({ role: 'tool', tool_call_id: call.id, content: '{"c":20}' })
  expect((await ask().finalMessage()).content).toBe('Hello there')
  return sent
}

describe('two turns with tools and thinking through a plain OpenAI client', () => {
  it('give Anthropic its signed thinking back, first and unchanged', async () => {
    const target = { vendor: 'anthropic', model: 'claude-sonnet-4-5' }
    const [, second] = await converse('anthropic', target, ['anthropic.thinking_tools.sse', 'anthropic.text.sse'])
    expect(second?.thinking).toMatchObject({ type: 'enabled' })
    expect(second).toHaveProperty(['messages', 1], {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Let me think', signature: 'EqQBCgIYAhIM' },
        { type: 'text', text: 'I will check.' },
        { type: 'tool_use', id: 'toolu_A', name: 'get_weather', input: { city: 'Paris' } },
        { type: 'tool_use', id: 'toolu_B', name: 'get_weather', input: { city: 'Oslo' } },
      ],
    })
    expect(second).toHaveProperty(['messages', 2], {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_A', content: '{"c":20}' },
        { type: 'tool_result', tool_use_id: 'toolu_B', content: '{"c":20}' },
      ],
    })
  })

  it('give Gemini its signatures back on the parts that had them', async () => {
    const target = { vendor: 'gemini', model: 'gemini-3.8-flash' }
    const [, second] = await converse('gemini', target, ['gemini.thinking_tools.sse', 'gemini.text.sse'])
    expect(second).toHaveProperty(['contents', 1], {
      role: 'model',
      parts: [
        { text: '**Checking** the weather', thought: true },
        { text: 'I will check.' },
        { functionCall: { id: 'fc1', name: 'get_weather', args: { city: 'Paris' } }, thoughtSignature: 'CiQBjz1rX' },
        { functionCall: { id: 'fc2', name: 'get_weather', args: { city: 'Oslo' } } },
        { text: '', thoughtSignature: 'CiQBend' },
      ],
    })
    const result = (id: string) => ({ functionResponse: { id, name: 'get_weather', response: { c: 20 } } })
    expect(second).toHaveProperty(['contents', 2], { role: 'user', parts: [result('fc1'), result('fc2')] })
  })

  it('give Gemini the made-up ids of calls that had none', async () => {
    const target = { vendor: 'gemini', model: 'gemini-3.8-flash' }
    const [, second] = await converse('gemini', target, ['gemini.tools_no_id.sse', 'gemini.text.sse'])
    expect(second).toHaveProperty(['contents', 1, 'parts', 0, 'thoughtSignature'], 'CiQBjz1rX')
    expect(second).toHaveProperty(['contents', 1, 'parts', 0, 'functionCall', 'id'], 'call_rid1_0_0')
    expect(second).toHaveProperty(['contents', 2, 'parts', 0, 'functionResponse', 'id'], 'call_rid1_0_0')
  })

  it('give OpenAI a message it takes', async () => {
    const target = { vendor: 'openai', model: 'gpt-5' }
    const [, second] = await converse('openai', target, ['openai.tools.sse', 'openai.text.sse'])
    expect(second).toHaveProperty(['messages', 1], {
      role: 'assistant',
      tool_calls: [
        { id: 'call_A', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
        { id: 'call_B', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } },
      ],
    })
  })
})
