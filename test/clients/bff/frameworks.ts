import { HumanMessage, ToolMessage } from '@langchain/core/messages'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import {
  type EmbeddingModel,
  embed,
  generateText,
  jsonSchema,
  type LanguageModel,
  Output,
  stepCountIs,
  streamText,
  tool,
} from 'ai'
import { z } from 'zod'
import { ASK, BFF_KEY, CITY, type Client, PLACE_SCHEMA } from './rig.ts'

type ProviderOptions = NonNullable<Parameters<typeof generateText>[0]['providerOptions']>

/** The Vercel AI SDK with any of its providers. */
export function aiSdkClient(
  model: LanguageModel,
  embeddingModel?: EmbeddingModel,
  providerOptions: ProviderOptions = {},
): Client {
  const options = { model, maxRetries: 0, providerOptions }
  const weather = tool({ inputSchema: jsonSchema<{ city: string }>(CITY), execute: async () => '20 degrees' })
  return {
    chat: async () => (await generateText({ ...options, prompt: ASK.text })).text,
    stream: async () => {
      let text = ''
      for await (const piece of streamText({ ...options, prompt: ASK.text }).textStream) text += piece
      return text
    },
    tools: async () => {
      const run = streamText({ ...options, prompt: ASK.tool, tools: { weather }, stopWhen: stepCountIs(3) })
      return await run.text
    },
    object: async () => {
      const output = Output.object({ schema: jsonSchema(PLACE_SCHEMA) })
      return (await generateText({ ...options, prompt: ASK.object, output })).output
    },
    ...(embeddingModel !== undefined && {
      embed: async () => (await embed({ model: embeddingModel, value: 'hi', maxRetries: 0 })).embedding,
    }),
  }
}

/** LangChain.js. */
export function langChainClient(baseURL: string, model: string, embeddingModel?: string): Client {
  const configuration = { baseURL }
  const chat = new ChatOpenAI({ model, apiKey: BFF_KEY, configuration, maxRetries: 0 })
  const weather = { type: 'function' as const, function: { name: 'weather', parameters: CITY } }
  return {
    chat: async () => (await chat.invoke(ASK.text)).text,
    stream: async () => {
      let text = ''
      for await (const piece of await chat.stream(ASK.text)) text += piece.text
      return text
    },
    tools: async () => {
      const bound = chat.bindTools([weather])
      const question = new HumanMessage(ASK.tool)
      const answer = await bound.invoke([question])
      const [call] = answer.tool_calls ?? []
      if (!call?.id) throw new Error('no tool was called')
      const result = new ToolMessage({ tool_call_id: call.id, content: '20 degrees' })
      return (await bound.invoke([question, answer, result])).text
    },
    object: async () =>
      chat
        .withStructuredOutput(z.object({ city: z.string(), degrees: z.number() }), { name: 'place' })
        .invoke(ASK.object),
    ...(embeddingModel !== undefined && {
      embed: async () =>
        new OpenAIEmbeddings({ model: embeddingModel, apiKey: BFF_KEY, configuration, maxRetries: 0 }).embedQuery('hi'),
    }),
  }
}
