import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { anthropic } from '@llm-ferry/sdk/anthropic'
import { gemini } from '@llm-ferry/sdk/gemini'
import { generativeAI } from '@llm-ferry/sdk/generative-ai'
import { openai } from '@llm-ferry/sdk/openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Line } from '../../border/line.ts'
import { DIALECTS, rightAnswer } from '../../testkit/dialects.ts'
import { afterBody, ScriptedVendor } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay } from '../../testkit/services.ts'

let vendor: ScriptedVendor
let relay: Service
let line: Line

beforeAll(async () => {
  vendor = await ScriptedVendor.start()
  vendor.script = afterBody(({ target, body }) => {
    const name = target.includes('/messages') ? 'anthropic' : target.includes('enerateContent') ? 'gemini' : 'openai'
    return rightAnswer(DIALECTS[name], target.includes('streamGenerate') || body.includes('"stream":true'))
  })
  relay = await startRelay(relayEnv(vendor.origin))
  line = await Line.start(relay.port)
})
afterAll(async () => {
  await line?.stop()
  await relay?.stop()
  await vendor?.stop()
})
beforeEach(() => {
  vendor.clear()
  line.fate = () => undefined
})

const target = () => ({ baseURL: line.origin, apiKey: RELAY_TOKEN, via: 'relay' as const })
const messages = [{ role: 'user' as const, content: 'Say hello' }]

async function joined<T>(items: AsyncIterable<T>, text: (item: T) => string | null | undefined): Promise<string> {
  let all = ''
  for await (const item of items) all += text(item) ?? ''
  return all
}

const STREAMS: Readonly<Record<string, () => Promise<string>>> = {
  openai: async () =>
    joined(
      await openai(target()).chat.completions.create({ model: 'gpt-x', messages, stream: true }),
      ({ choices }) => choices[0]?.delta.content,
    ),
  '@anthropic-ai/sdk': () =>
    anthropic(target()).messages.stream({ model: 'claude-x', max_tokens: 9, messages }).finalText(),
  '@google/genai': async () =>
    joined(
      await gemini(target()).models.generateContentStream({ model: 'gemini-x', contents: 'Say hello' }),
      ({ text }) => text,
    ),
}

/** Every connection from now on breaks, each after a few bytes more than the last. */
function breakEvery(bytes: number): void {
  line.cutAll('rst')
  let more = 0
  line.fate = (connection) => ({ afterDown: bytes + 7 * more++, how: connection % 2 ? 'fin' : 'rst' })
}

describe.each(Object.entries(STREAMS))('%s aimed at a bare relay', (_, run) => {
  it('has the whole text over a line that breaks all the time, and the vendor one call', async () => {
    const whole = await run()
    expect(whole).not.toBe('')
    vendor.clear()
    const before = line.cuts
    // Packed, the whole answer is not much longer.
    breakEvery(400)
    expect(await run()).toBe(whole)
    expect(line.cuts - before).toBeGreaterThan(0)
    expect(vendor.requests).toHaveLength(1)
  })
})

it('@google/generative-ai loses its answer there, since it takes no fetch', async () => {
  const model = generativeAI(target()).getGenerativeModel({ model: 'gemini-x' })
  expect((await model.generateContent('Say hello')).response.text()).not.toBe('')
  breakEvery(1)
  await expect(model.generateContent('Say hello')).rejects.toThrow()
})

it('a process that aimed a client ends by itself', async () => {
  const code = `
    import { openai } from '@llm-ferry/sdk/openai'
    const client = openai({ baseURL: '${line.origin}', apiKey: '${RELAY_TOKEN}', via: 'relay' })
    const { choices } = await client.chat.completions.create({ model: 'gpt-x', messages: [] })
    console.log(choices[0].message.content)`
  const args = ['--conditions=ferry-source', '--input-type=module', '--eval', code]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 5_000, cwd: import.meta.dirname })
  expect(stdout).toContain('Hello there')
})
