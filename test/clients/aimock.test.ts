import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import { GoogleGenerativeAI } from '@google/generative-ai'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SANDBOX_TEXT, startSandbox } from '../testkit/sandbox.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay, type Vendor } from '../testkit/services.ts'
import { plain } from './matrix/compare.ts'

/** Makes the SDK's client for a base URL without a version. */
interface Clients {
  readonly openai: (base: string) => OpenAI
  readonly anthropic: (base: string) => Anthropic
  readonly genai: (base: string) => GoogleGenAI
  readonly old: (base: string) => ReturnType<GoogleGenerativeAI['getGenerativeModel']>
}

const CLIENTS: Clients = {
  openai: (base) => new OpenAI({ baseURL: `${base}/v1`, apiKey: RELAY_TOKEN, maxRetries: 0 }),
  anthropic: (base) => new Anthropic({ baseURL: base, apiKey: RELAY_TOKEN, maxRetries: 0 }),
  // The sandbox speaks v1beta; the SDK's own default is v1.
  genai: (base) => new GoogleGenAI({ apiKey: RELAY_TOKEN, apiVersion: 'v1beta', httpOptions: { baseUrl: base } }),
  old: (base) =>
    new GoogleGenerativeAI(RELAY_TOKEN).getGenerativeModel({ model: 'gemini-2.0-flash' }, { baseUrl: base }),
}

const { openai, anthropic, genai, old } = CLIENTS
const messages = [{ role: 'user' as const, content: 'Say hello' }]
const parameters = { type: 'object' as const, properties: { city: { type: 'string' } } }
const tool = { type: 'function' as const, function: { name: 'weather', parameters } }
const geminiTools = { tools: [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: parameters }] }] }

/** What runs against an address, at the vendor or through the relay. */
type Case = readonly [vendor: Vendor, call: (base: string) => unknown]

const CASES: Readonly<Record<string, Case>> = {
  'openai: chat': ['openai', (base) => openai(base).chat.completions.create({ model: 'gpt-4o', messages })],
  'openai: chat, streamed': [
    'openai',
    (base) =>
      openai(base).chat.completions.create({
        model: 'gpt-4o',
        messages,
        stream: true,
        stream_options: { include_usage: true },
      }),
  ],
  'openai: chat, stream helper': [
    'openai',
    (base) => openai(base).chat.completions.stream({ model: 'gpt-4o', messages }).finalChatCompletion(),
  ],
  'openai: tools': [
    'openai',
    (base) => openai(base).chat.completions.create({ model: 'gpt-4o', messages, tools: [tool] }),
  ],
  'openai: tools, streamed': [
    'openai',
    (base) => openai(base).chat.completions.create({ model: 'gpt-4o', messages, tools: [tool], stream: true }),
  ],
  'openai: responses': ['openai', (base) => openai(base).responses.create({ model: 'gpt-4o', input: 'Say hello' })],
  'openai: responses, streamed': [
    'openai',
    (base) => openai(base).responses.create({ model: 'gpt-4o', input: 'Say hello', stream: true }),
  ],
  'openai: embeddings': ['openai', (base) => openai(base).embeddings.create({ model: 'e', input: 'Say hello' })],
  'openai: embeddings as floats': [
    'openai',
    (base) => openai(base).embeddings.create({ model: 'e', input: 'hi', encoding_format: 'float' }),
  ],
  'openai: moderation': ['openai', (base) => openai(base).moderations.create({ input: 'Say hello' })],
  'openai: image': ['openai', (base) => openai(base).images.generate({ model: 'gpt-image-1', prompt: 'A ferry' })],
  'openai: image edit': [
    'openai',
    async (base) =>
      openai(base).images.edit({
        model: 'gpt-image-1',
        prompt: 'A ferry',
        image: await toFile(Buffer.alloc(300_000, 7), 'a.png'),
      }),
  ],
  'openai: speech': [
    'openai',
    (base) => openai(base).audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'hi' }),
  ],
  'openai: transcription': [
    'openai',
    async (base) =>
      openai(base).audio.transcriptions.create({
        model: 'whisper-1',
        file: await toFile(Buffer.alloc(300_000), 'a.mp3'),
      }),
  ],
  'openai: a file and back': [
    'openai',
    async (base) => {
      const files = openai(base).files
      const sent = Buffer.from([...'{"a":"ü"}\n'].map((letter) => letter.charCodeAt(0)))
      const { id } = await files.create({ purpose: 'assistants', file: await toFile(sent, 'grüße.jsonl') })
      const back = Buffer.from(await (await files.content(id)).arrayBuffer())
      expect(back.equals(sent)).toBe(true)
      return [await files.retrieve(id), await files.delete(id)]
    },
  ],
  'openai: models': ['openai', (base) => openai(base).models.list()],
  'openai: an unknown route': ['openai', (base) => openai(base).get('/no/such/route')],
  'anthropic: message': [
    'anthropic',
    (base) => anthropic(base).messages.create({ model: 'claude-x', max_tokens: 64, messages }),
  ],
  'anthropic: message, streamed': [
    'anthropic',
    (base) => anthropic(base).messages.create({ model: 'claude-x', max_tokens: 64, messages, stream: true }),
  ],
  'anthropic: message, stream helper': [
    'anthropic',
    (base) => anthropic(base).messages.stream({ model: 'claude-x', max_tokens: 64, messages }).finalMessage(),
  ],
  'anthropic: tools': [
    'anthropic',
    (base) =>
      anthropic(base).messages.create({
        model: 'claude-x',
        max_tokens: 64,
        messages,
        tools: [{ name: 'weather', input_schema: parameters }],
      }),
  ],
  'genai: content': [
    'gemini',
    (base) => genai(base).models.generateContent({ model: 'gemini-2.0-flash', contents: 'Say hello' }),
  ],
  'genai: content, streamed': [
    'gemini',
    (base) => genai(base).models.generateContentStream({ model: 'gemini-2.0-flash', contents: 'Say hello' }),
  ],
  'genai: tools': [
    'gemini',
    (base) => genai(base).models.generateContent({ model: 'gemini-2.0-flash', contents: 'hi', config: geminiTools }),
  ],
  'generative-ai: content': ['gemini', async (base) => (await old(base).generateContent('Say hello')).response.text()],
  'generative-ai: content, streamed': [
    'gemini',
    async (base) => (await old(base).generateContentStream('Say hello')).stream,
  ],
  'generative-ai: embedding': ['gemini', (base) => old(base).embedContent('Say hello')],
}

describe('an independent server gives the same through the relay', () => {
  let sandbox: Awaited<ReturnType<typeof startSandbox>>
  let relay: Service
  beforeAll(async () => {
    sandbox = await startSandbox()
    relay = await startRelay(relayEnv(sandbox.url))
  })
  afterAll(async () => {
    await relay?.stop()
    await sandbox?.stop()
  })

  const outcome = async (call: Case[1], base: string): Promise<unknown> => {
    const result = await plain(await Promise.resolve(call(base)).catch((error: unknown) => ({ failed: String(error) })))
    return withoutIds(result)
  }

  for (const [name, [vendor, call]] of Object.entries(CASES)) {
    it(name, async () => {
      const direct = await outcome(call, sandbox.url)
      expect(await outcome(call, `${relay.origin}/proxy/${vendor}`)).toEqual(direct)
      if (!name.includes('unknown')) expect(direct).not.toHaveProperty('failed')
    })
  }

  it('says what the sandbox was told to say', async () => {
    const { choices } = await openai(`${relay.origin}/proxy/openai`).chat.completions.create({
      model: 'gpt-4o',
      messages,
    })
    expect(choices[0]?.message.content).toBe(SANDBOX_TEXT)
  })
})

/** The sandbox makes up ids and times. */
const VOLATILE = /(^id|_id|Id|^created|_at|^date|request-id|obfuscation|signature)$/

function withoutIds(value: unknown): unknown {
  if (Array.isArray(value)) {
    const isHeader = value.length === 2 && typeof value[0] === 'string' && VOLATILE.test(value[0])
    return isHeader ? null : value.map(withoutIds)
  }
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([key]) => !VOLATILE.test(key))
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutIds(item)]))
}
