import OpenAI from 'openai'
import type { ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources'
import { ASK, BFF_KEY, CITY, type Client, PLACE_SCHEMA } from './rig.ts'

const asked = (content: string): ChatCompletionMessageParam[] => [{ role: 'user', content }]
const weather: ChatCompletionTool = { type: 'function', function: { name: 'weather', parameters: CITY, strict: true } }

/** OpenAI's own SDK. */
export function openAiClient(baseURL: string, model: string, embeddingModel?: string): Client {
  const openai = new OpenAI({ baseURL, apiKey: BFF_KEY, maxRetries: 0 })
  const create = openai.chat.completions
  return {
    chat: async () => (await create.create({ model, messages: asked(ASK.text) })).choices[0]?.message.content,
    stream: async () => {
      let text = ''
      for await (const { choices } of await create.create({ model, messages: asked(ASK.text), stream: true })) {
        text += choices[0]?.delta.content ?? ''
      }
      return text
    },
    tools: async () => {
      const messages = asked(ASK.tool)
      const first = await create.stream({ model, messages, tools: [weather] }).finalChatCompletion()
      const message = first.choices[0]?.message
      const [call] = message?.tool_calls ?? []
      if (!message || !call) throw new Error('no tool was called')
      messages.push(message, { role: 'tool', tool_call_id: call.id, content: '20 degrees' })
      return (await create.create({ model, messages, tools: [weather] })).choices[0]?.message.content
    },
    object: async () => {
      const format = {
        type: 'json_schema' as const,
        json_schema: { name: 'place', strict: true, schema: PLACE_SCHEMA },
      }
      const answer = await create.parse({ model, messages: asked(ASK.object), response_format: format })
      return answer.choices[0]?.message.parsed
    },
    ...(embeddingModel !== undefined && {
      embed: async () => (await openai.embeddings.create({ model: embeddingModel, input: 'hi' })).data[0]?.embedding,
    }),
  }
}

/** The same SDK's newer interface. */
export function responsesClient(baseURL: string, model: string): Client {
  const { responses } = new OpenAI({ baseURL, apiKey: BFF_KEY, maxRetries: 0 })
  const tools = [{ type: 'function' as const, name: 'weather', parameters: CITY, strict: true }]
  return {
    chat: async () => (await responses.create({ model, input: ASK.text, store: false })).output_text,
    stream: async () => (await responses.stream({ model, input: ASK.text, store: false }).finalResponse()).output_text,
    tools: async () => {
      const first = await responses.create({ model, input: ASK.tool, store: false, tools })
      const call = first.output.find((item) => item.type === 'function_call')
      if (!call) throw new Error('no tool was called')
      const output = { type: 'function_call_output' as const, call_id: call.call_id, output: '20 degrees' }
      const input = [{ role: 'user' as const, content: ASK.tool }, call, output]
      return (await responses.create({ model, input, store: false, tools })).output_text
    },
    object: async () => {
      const format = { type: 'json_schema' as const, name: 'place', schema: PLACE_SCHEMA, strict: true }
      return (await responses.parse({ model, input: ASK.object, store: false, text: { format } })).output_parsed
    },
  }
}
