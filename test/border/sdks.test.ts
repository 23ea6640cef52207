import { setTimeout as sleep } from 'node:timers/promises'
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { delay, head, type Step } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN } from '../testkit/services.ts'
import { answerRightly, type BorderRig, startBorder } from './rig.ts'

// The vendors' own SDKs, given nothing but a base URL and a fetch, over a line that breaks every thousand bytes.

let rig: BorderRig
beforeAll(async () => {
  rig = await startBorder()
})
afterAll(() => rig.stop())
beforeEach(() => {
  rig.vendor.clear()
  rig.line.fate = () => undefined
  answerRightly(rig.vendor)
})

const messages = [{ role: 'user' as const, content: 'Say hello' }]
const base = (vendor: string): string => `${rig.line.origin}/proxy/${vendor}`
const openai = () =>
  new OpenAI({ apiKey: RELAY_TOKEN, baseURL: `${base('openai')}/v1`, fetch: rig.link.fetch, maxRetries: 2 })
const anthropic = () => new Anthropic({ apiKey: RELAY_TOKEN, baseURL: base('anthropic'), fetch: rig.link.fetch })
const genai = () =>
  new GoogleGenAI({ apiKey: RELAY_TOKEN, httpOptions: { baseUrl: base('gemini'), fetch: rig.link.fetch } })

async function collect<T>(stream: AsyncIterable<T>, text: (event: T) => string | null | undefined): Promise<string> {
  let all = ''
  for await (const event of stream) all += text(event) ?? ''
  return all
}

const calls: Record<string, () => Promise<string>> = {
  'openai plain': async () =>
    (await openai().chat.completions.create({ model: 'gpt-x', messages })).choices[0]?.message.content ?? '',
  'openai streamed': async () =>
    collect(
      await openai().chat.completions.create({ model: 'gpt-x', messages, stream: true }),
      (chunk) => chunk.choices[0]?.delta.content,
    ),
  'anthropic plain': async () => {
    const message = await anthropic().messages.create({ model: 'claude-x', max_tokens: 9, messages })
    return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
  },
  'anthropic streamed': async () =>
    collect(anthropic().messages.stream({ model: 'claude-x', max_tokens: 9, messages }), (event) =>
      event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : '',
    ),
  'genai plain': async () =>
    (await genai().models.generateContent({ model: 'gemini-x', contents: 'Say hello' })).text ?? '',
  'genai streamed': async () =>
    collect(
      await genai().models.generateContentStream({ model: 'gemini-x', contents: 'Say hello' }),
      ({ text }) => text,
    ),
}

describe.each(Object.entries(calls))('%s', (_, run) => {
  test('has the uncut text when the line breaks every thousand bytes, and one call', async () => {
    const whole = await run()
    expect(whole).not.toBe('')
    for (const every of [900, 1100, 1301]) {
      await rig.newLink()
      await sleep(5)
      rig.vendor.clear()
      rig.line.fate = (connection) => ({ afterDown: every + connection * 7, how: connection % 2 ? 'fin' : 'rst' })
      expect(await run()).toBe(whole)
      expect(rig.vendor.requests).toHaveLength(1)
    }
  })
})

test('a vendor that thinks for long is waited for, and no heartbeat is seen', async () => {
  answerRightly(rig.vendor, (step: Step) => [delay(60), step])
  expect(await calls['openai streamed']?.()).not.toBe('')
})

test('a vendor’s own error is that error', async () => {
  const body = JSON.stringify({
    error: { message: 'no such model', type: 'invalid_request_error', code: 'model_not_found' },
  })
  rig.vendor.script = () => [
    head(404, [
      ['content-type', 'application/json'],
      ['content-length', String(body.length)],
    ]),
    (wire) => wire.write(body),
  ]
  await expect(calls['openai plain']?.()).rejects.toThrow(OpenAI.NotFoundError)
  expect(rig.vendor.requests).toHaveLength(1)
})

test('an SDK that is aborted ends the vendor’s call within a second', async () => {
  answerRightly(rig.vendor, (step: Step) => [delay(200), step])
  const stream = await openai().chat.completions.create({ model: 'gpt-x', messages, stream: true })
  for await (const _ of stream) break
  const left = performance.now()
  expect((await rig.vendor.only.closed).at - left).toBeLessThan(1000)
})
