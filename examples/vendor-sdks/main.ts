// The vendors' official SDKs, unchanged, at the relay: only the address and the key are other ones.
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import { GoogleGenerativeAI } from '@google/generative-ai'
import OpenAI from 'openai'

const { RELAY_URL = 'http://127.0.0.1:3000', RELAY_TOKEN: apiKey = '' } = process.env
const question = 'Say hello in one sentence.'

// openai wants the version in its base URL.
const openai = new OpenAI({ baseURL: `${RELAY_URL}/proxy/openai/v1`, apiKey })
process.stdout.write('\nopenai: ')
const chunks = await openai.chat.completions.create({
  model: 'gpt-5.4-mini',
  messages: [{ role: 'user', content: question }],
  stream: true,
})
for await (const chunk of chunks) process.stdout.write(chunk.choices[0]?.delta.content ?? '')

// anthropic adds the version by itself.
const anthropic = new Anthropic({ baseURL: `${RELAY_URL}/proxy/anthropic`, apiKey })
process.stdout.write('\nanthropic: ')
const events = anthropic.messages.stream({
  model: 'claude-haiku-4-5',
  max_tokens: 200,
  messages: [{ role: 'user', content: question }],
})
events.on('text', (text) => process.stdout.write(text))
await events.finalMessage()

// Google's SDKs add it too; the newer one v1 unless it is told otherwise.
const genai = new GoogleGenAI({ apiKey, apiVersion: 'v1beta', httpOptions: { baseUrl: `${RELAY_URL}/proxy/gemini` } })
process.stdout.write('\n@google/genai: ')
const parts = await genai.models.generateContentStream({ model: 'gemini-3.5-flash', contents: question })
for await (const part of parts) process.stdout.write(part.text ?? '')

const legacy = new GoogleGenerativeAI(apiKey).getGenerativeModel(
  { model: 'gemini-3.5-flash' },
  { baseUrl: `${RELAY_URL}/proxy/gemini` },
)
process.stdout.write('\n@google/generative-ai: ')
const { stream } = await legacy.generateContentStream(question)
for await (const part of stream) process.stdout.write(part.text())
process.stdout.write('\n')
