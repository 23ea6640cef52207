import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aiSdkClient, langChainClient } from './frameworks.ts'
import { openAiClient, responsesClient } from './openai.ts'
import { BFF_KEY, type Client, PLACE, startClientChain, TEXT, VECTOR, WEATHER } from './rig.ts'
import { anthropicClient, genaiClient, generativeAiClient } from './vendors.ts'

const apiKey = BFF_KEY

// Every vendor here keeps to a schema, which this provider cannot know.
const compatible = (origin: string) =>
  createOpenAICompatible({ name: 'ferry', baseURL: `${origin}/v1`, apiKey, supportsStructuredOutputs: true })

/** Clients by name, made for a BFF's origin. */
const NATIVE: Readonly<Record<string, (origin: string) => Client>> = {
  openai: (origin) => openAiClient(`${origin}/proxy/openai/v1`, 'gpt-4o', 'text-embedding-3-small'),
  'openai, responses': (origin) => responsesClient(`${origin}/proxy/openai/v1`, 'gpt-4o'),
  'openai, responses at /v1': (origin) => responsesClient(`${origin}/v1`, 'openai/gpt-4o'),
  '@anthropic-ai/sdk': (origin) => anthropicClient(`${origin}/proxy/anthropic`),
  '@google/genai': (origin) => genaiClient(`${origin}/proxy/gemini`),
  '@google/generative-ai': (origin) => generativeAiClient(`${origin}/proxy/gemini`),
  '@ai-sdk/openai': (origin) => {
    const openai = createOpenAI({ baseURL: `${origin}/proxy/openai/v1`, apiKey })
    return aiSdkClient(openai('gpt-4o'), openai.embedding('text-embedding-3-small'), { openai: { store: false } })
  },
  '@ai-sdk/openai, chat': (origin) =>
    aiSdkClient(createOpenAI({ baseURL: `${origin}/proxy/openai/v1`, apiKey }).chat('gpt-4o')),
  '@ai-sdk/anthropic': (origin) =>
    aiSdkClient(createAnthropic({ baseURL: `${origin}/proxy/anthropic/v1`, apiKey })('claude-opus-5')),
  '@ai-sdk/google': (origin) => {
    const google = createGoogleGenerativeAI({ baseURL: `${origin}/proxy/gemini/v1beta`, apiKey })
    return aiSdkClient(google('gemini-2.5-flash'), google.embedding('gemini-embedding-001'))
  },
}

const MODELS = ['openai/gpt-4o', 'anthropic/claude-opus-5', 'gemini/gemini-2.5-flash'] as const
const EMBEDDERS: Readonly<Record<string, string>> = {
  'openai/gpt-4o': 'openai/text-embedding-3-small',
  'gemini/gemini-2.5-flash': 'gemini/gemini-embedding-001',
}

const NORMALIZED: typeof NATIVE = Object.fromEntries(
  MODELS.flatMap((model) => {
    const embedder = EMBEDDERS[model]
    return Object.entries({
      [`openai with ${model}`]: (origin: string) => openAiClient(`${origin}/v1`, model, embedder),
      [`@ai-sdk/openai-compatible with ${model}`]: (origin: string) =>
        aiSdkClient(compatible(origin)(model), embedder && compatible(origin).embeddingModel(embedder)),
      [`LangChain.js with ${model}`]: (origin: string) => langChainClient(`${origin}/v1`, model, embedder),
    })
  }),
)

describe.concurrent.each(Object.entries({ ...NATIVE, ...NORMALIZED }))('%s', (_, create) => {
  it('chats', async () => expect(await create(origin).chat()).toBe(TEXT))
  it('streams', async () => expect(await create(origin).stream()).toBe(TEXT))
  it('uses a tool over two turns', async () => expect(await create(origin).tools()).toBe(WEATHER))
  it('gives structured output', async () => expect(await create(origin).object()).toEqual(PLACE))
  it('embeds, where it can', async () => {
    const client = create(origin)
    if (client.embed) expect((await client.embed())?.slice(0, 3)).toEqual(VECTOR)
  })
})

let chain: Awaited<ReturnType<typeof startClientChain>>
let origin = ''

beforeAll(async () => {
  chain = await startClientChain()
  origin = chain.origin
})

afterAll(() => chain?.stop())

it('nothing of it is in the log', () => {
  for (const secret of [BFF_KEY, TEXT, 'Köln']) expect(chain.log()).not.toContain(secret)
})
