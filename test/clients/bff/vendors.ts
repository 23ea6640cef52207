import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import { GoogleGenerativeAI } from '@google/generative-ai'
import { ASK, BFF_KEY, CITY, type Client, PLACE_SCHEMA } from './rig.ts'

/** Anthropic's own SDK. */
export function anthropicClient(baseURL: string): Client {
  const { messages } = new Anthropic({ baseURL, apiKey: BFF_KEY, maxRetries: 0 })
  const request = { model: 'claude-opus-5', max_tokens: 256 }
  const asked = (content: string) => ({ role: 'user' as const, content })
  const tools = [{ name: 'weather', input_schema: CITY }]
  const textOf = ({ content }: Anthropic.Message): string =>
    content.map((block) => (block.type === 'text' ? block.text : '')).join('')
  return {
    chat: async () => textOf(await messages.create({ ...request, messages: [asked(ASK.text)] })),
    stream: async () => messages.stream({ ...request, messages: [asked(ASK.text)] }).finalText(),
    tools: async () => {
      const first = await messages.stream({ ...request, messages: [asked(ASK.tool)], tools }).finalMessage()
      const call = first.content.find((block) => block.type === 'tool_use')
      if (!call) throw new Error('no tool was called')
      const result = { type: 'tool_result' as const, tool_use_id: call.id, content: '20 degrees' }
      const turns = [
        asked(ASK.tool),
        { role: 'assistant' as const, content: first.content },
        { role: 'user' as const, content: [result] },
      ]
      return textOf(await messages.create({ ...request, messages: turns, tools }))
    },
    object: async () => {
      const format = { type: 'json_schema' as const, schema: PLACE_SCHEMA }
      const answer = await messages.create({ ...request, messages: [asked(ASK.object)], output_config: { format } })
      return JSON.parse(textOf(answer)) as unknown
    },
  }
}

const declarations = [{ name: 'weather', parametersJsonSchema: CITY }]

/** Google's own SDK. */
export function genaiClient(baseUrl: string): Client {
  const { models, chats } = new GoogleGenAI({ apiKey: BFF_KEY, apiVersion: 'v1beta', httpOptions: { baseUrl } })
  const model = 'gemini-2.5-flash'
  return {
    chat: async () => (await models.generateContent({ model, contents: ASK.text })).text,
    stream: async () => {
      let text = ''
      for await (const piece of await models.generateContentStream({ model, contents: ASK.text })) text += piece.text
      return text
    },
    tools: async () => {
      const chat = chats.create({ model, config: { tools: [{ functionDeclarations: declarations }] } })
      const [call] = (await chat.sendMessage({ message: ASK.tool })).functionCalls ?? []
      if (!call?.name) throw new Error('no tool was called')
      const { id, name } = call
      const part = { functionResponse: { ...(id !== undefined && { id }), name, response: { output: '20 degrees' } } }
      return (await chat.sendMessage({ message: [part] })).text
    },
    object: async () => {
      const config = { responseMimeType: 'application/json', responseJsonSchema: PLACE_SCHEMA }
      return JSON.parse((await models.generateContent({ model, contents: ASK.object, config })).text ?? '') as unknown
    },
    embed: async () =>
      (await models.embedContent({ model: 'gemini-embedding-001', contents: 'hi' })).embeddings?.[0]?.values,
  }
}

/** Google's older SDK, which is still in the field. */
export function generativeAiClient(baseUrl: string): Client {
  const google = new GoogleGenerativeAI(BFF_KEY)
  const model = (more = {}) => google.getGenerativeModel({ model: 'gemini-2.5-flash', ...more }, { baseUrl })
  return {
    chat: async () => (await model().generateContent(ASK.text)).response.text(),
    stream: async () => {
      let text = ''
      for await (const piece of (await model().generateContentStream(ASK.text)).stream) text += piece.text()
      return text
    },
    tools: async () => {
      const functionDeclarations = [{ name: 'weather', description: 'The weather' }]
      const chat = model({ tools: [{ functionDeclarations }] }).startChat()
      const [call] = (await chat.sendMessage(ASK.tool)).response.functionCalls() ?? []
      if (!call) throw new Error('no tool was called')
      const part = { functionResponse: { name: call.name, response: { output: '20 degrees' } } }
      return (await chat.sendMessage([part])).response.text()
    },
    object: async () => {
      const generationConfig = { responseMimeType: 'application/json' }
      return JSON.parse((await model({ generationConfig }).generateContent(ASK.object)).response.text()) as unknown
    },
    embed: async () => (await model({ model: 'text-embedding-004' }).embedContent('hi')).embedding.values,
  }
}
