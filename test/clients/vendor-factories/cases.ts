import { Blob } from 'node:buffer'
import type { Ferry } from '@llm-ferry/sdk'
import { type NativeTarget, anthropic as toAnthropic } from '@llm-ferry/sdk/anthropic'
import { gemini as toGemini } from '@llm-ferry/sdk/gemini'
import { generativeAI } from '@llm-ferry/sdk/generative-ai'
import { openai as toOpenai } from '@llm-ferry/sdk/openai'
import { toFile } from 'openai'
import { BYTES, TEXT, type Upstream } from './upstream.ts'

export type Target = Ferry | NativeTarget

/** Something to do with an aimed client, and what comes of it. */
export interface Case {
  readonly run: (target: Target, upstream: Upstream) => Promise<unknown>
  readonly expected: unknown
  /** Keeps something in the vendor's account, which a BFF's key must be allowed. */
  readonly isFull?: boolean
}

const messages = [{ role: 'user' as const, content: '渡船几点开？' }]
const parameters = { type: 'object' as const, properties: { city: { type: 'string' as const } } }
const city = { city: '北京' }
const geminiModel = 'gemini-2.0-flash'
const audio = { mimeType: 'audio/wav', data: BYTES.toString('base64') }
const sameBytes = (bytes: ArrayBuffer | Uint8Array): boolean => Buffer.from(bytes as Uint8Array).equals(BYTES)
// What a client has sent, whatever it wrapped it in.
const wasSent = (upstream: Upstream, bytes: Buffer): boolean => upstream.bodies.some((body) => body.includes(bytes))

async function joined(items: AsyncIterable<string | null | undefined>): Promise<string> {
  let all = ''
  for await (const item of items) all += item ?? ''
  return all
}

async function* mapped<T, U>(items: AsyncIterable<T>, pick: (item: T) => U): AsyncGenerator<U> {
  for await (const item of items) yield pick(item)
}

const openai: Record<string, Case> = {
  chat: {
    run: async (target) =>
      (await toOpenai(target).chat.completions.create({ model: 'gpt-4o', messages })).choices[0]?.message.content,
    expected: TEXT,
  },
  stream: {
    run: async (target) => {
      const stream = await toOpenai(target).chat.completions.create({ model: 'gpt-4o', messages, stream: true })
      return joined(mapped(stream, ({ choices }) => choices[0]?.delta.content))
    },
    expected: TEXT,
  },
  responses: {
    run: async (target) =>
      (await toOpenai(target).responses.create({ model: 'gpt-4o', input: '渡船几点开？', store: false })).output_text,
    expected: TEXT,
  },
  tools: {
    run: async (target) => {
      const tools = [{ type: 'function' as const, function: { name: 'weather', parameters } }]
      const { choices } = await toOpenai(target).chat.completions.create({ model: 'gpt-4o', messages, tools })
      const [call] = choices[0]?.message.tool_calls ?? []
      return call?.type === 'function' && JSON.parse(call.function.arguments)
    },
    expected: city,
  },
  files: {
    run: async (target) => {
      const { files } = toOpenai(target)
      const { id } = await files.create({
        purpose: 'assistants',
        file: await toFile(Buffer.from('{"a":"渡"}\n'), 'a.jsonl'),
      })
      const back = await (await files.content(id)).text()
      return [back, (await files.delete(id)).deleted]
    },
    expected: ['{"a":"渡"}\n', true],
    isFull: true,
  },
  'audio out': {
    run: async (target) => {
      const speech = await toOpenai(target).audio.speech.create({ model: 'tts-1', voice: 'alloy', input: TEXT })
      return sameBytes(await speech.arrayBuffer())
    },
    expected: true,
  },
  'audio in': {
    run: async (target, upstream) => {
      const file = await toFile(BYTES, 'a.wav')
      const { text } = await toOpenai(target).audio.transcriptions.create({ model: 'whisper-1', file })
      return [text, wasSent(upstream, BYTES)]
    },
    expected: [TEXT, true],
  },
}

const anthropicParams = { model: 'claude-sonnet-4', max_tokens: 64, messages }

const anthropic: Record<string, Case> = {
  chat: {
    run: async (target) => (await toAnthropic(target).messages.create(anthropicParams)).content,
    expected: [{ type: 'text', text: TEXT }],
  },
  stream: {
    run: (target) => toAnthropic(target).messages.stream(anthropicParams).finalText(),
    expected: TEXT,
  },
  tools: {
    run: async (target) => {
      const tools = [{ name: 'weather', input_schema: parameters }]
      const { content } = await toAnthropic(target).messages.create({ ...anthropicParams, tools })
      return content.flatMap((block) => (block.type === 'tool_use' ? [block.input] : []))
    },
    expected: [city],
  },
  files: {
    run: async (target, upstream) => {
      const { files } = toAnthropic(target)
      const { id } = await files.upload({ file: await toFile(BYTES, 'a.bin') })
      return [sameBytes(await (await files.download(id)).arrayBuffer()), wasSent(upstream, BYTES)]
    },
    expected: [true, true],
    isFull: true,
  },
}

const gemini: Record<string, Case> = {
  chat: {
    run: async (target) =>
      (await toGemini(target).models.generateContent({ model: geminiModel, contents: '几点？' })).text,
    expected: TEXT,
  },
  stream: {
    run: async (target) => {
      const stream = await toGemini(target).models.generateContentStream({ model: geminiModel, contents: '几点？' })
      return joined(mapped(stream, ({ text }) => text))
    },
    expected: TEXT,
  },
  tools: {
    run: async (target) => {
      const config = { tools: [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: parameters }] }] }
      const request = { model: geminiModel, contents: '北京冷吗？', config }
      return (await toGemini(target).models.generateContent(request)).functionCalls?.map(({ args }) => args)
    },
    expected: [city],
  },
  files: {
    run: async (target, upstream) => {
      const { files } = toGemini(target)
      const { name = '' } = await files.upload({
        file: new Blob([BYTES]) as globalThis.Blob,
        config: { mimeType: 'application/pdf' },
      })
      return [name, (await files.get({ name })).state, wasSent(upstream, BYTES)]
    },
    expected: ['files/1', 'ACTIVE', true],
    isFull: true,
  },
  'audio in': {
    run: async (target, upstream) => {
      const contents = [{ role: 'user', parts: [{ inlineData: audio }, { text: '说了什么？' }] }]
      const { text } = await toGemini(target).models.generateContent({ model: geminiModel, contents })
      return [text, wasSent(upstream, Buffer.from(audio.data))]
    },
    expected: [TEXT, true],
  },
}

const older = (target: Target) => generativeAI(target).getGenerativeModel({ model: geminiModel })

const old: Record<string, Case> = {
  chat: {
    run: async (target) => (await older(target).generateContent('几点？')).response.text(),
    expected: TEXT,
  },
  stream: {
    run: async (target) => {
      const { stream } = await older(target).generateContentStream('几点？')
      return joined(mapped(stream, (part) => part.text()))
    },
    expected: TEXT,
  },
  tools: {
    run: async (target) => {
      const model = generativeAI(target).getGenerativeModel({
        model: geminiModel,
        tools: [{ functionDeclarations: [{ name: 'weather', description: 'Weather.' }] }],
      })
      return (await model.generateContent('北京冷吗？')).response.functionCalls()?.map(({ args }) => args)
    },
    expected: [city],
  },
  'audio in': {
    run: async (target, upstream) => {
      const { response } = await older(target).generateContent([{ inlineData: audio }, '说了什么？'])
      return [response.text(), wasSent(upstream, Buffer.from(audio.data))]
    },
    expected: [TEXT, true],
  },
}

/** Each official client with what its vendor has of chat, stream, tools, files and audio. */
export const CLIENTS: Readonly<Record<string, Readonly<Record<string, Case>>>> = {
  openai,
  '@anthropic-ai/sdk': anthropic,
  '@google/genai': gemini,
  '@google/generative-ai': old,
}
