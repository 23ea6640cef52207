import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import { GoogleGenerativeAI } from '@google/generative-ai'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { DIALECTS, json, sse, sseHead } from '../../testkit/dialects.ts'
import { afterBody, chunk, delay, fin, lastChunk, raw, reset, type Step } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, type Vendor } from '../../testkit/services.ts'
import { type Rig, relayRig } from '../rig.ts'

/** One way of an SDK to read a stream to its end. */
interface Reader {
  readonly vendor: Vendor
  /** Resolves with the text when the SDK takes the answer for complete. */
  readonly read: (rig: Rig, signal?: AbortSignal) => Promise<string>
  /** Whether the SDK tells an error event of the vendor; generative-ai swallows it. */
  readonly tellsErrorEvents: boolean
}

const messages = [{ role: 'user' as const, content: 'Say hello' }]
const base = ({ relay }: Rig, vendor: Vendor): string => `${relay.origin}/proxy/${vendor}`
const openai = (rig: Rig): OpenAI =>
  new OpenAI({ baseURL: `${base(rig, 'openai')}/v1`, apiKey: RELAY_TOKEN, maxRetries: 0 })
const anthropic = (rig: Rig): Anthropic =>
  new Anthropic({ baseURL: base(rig, 'anthropic'), apiKey: RELAY_TOKEN, maxRetries: 0 })
const genai = (rig: Rig): GoogleGenAI =>
  new GoogleGenAI({ apiKey: RELAY_TOKEN, httpOptions: { baseUrl: base(rig, 'gemini') } })
const old = (rig: Rig) =>
  new GoogleGenerativeAI(RELAY_TOKEN).getGenerativeModel({ model: 'gemini-x' }, { baseUrl: base(rig, 'gemini') })

const READERS: Readonly<Record<string, Reader>> = {
  'openai, raw stream': {
    vendor: 'openai',
    tellsErrorEvents: true,
    read: async (rig, signal) => {
      const stream = await openai(rig).chat.completions.create(
        { model: 'gpt-x', messages, stream: true },
        signal ? { signal } : {},
      )
      let text = ''
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
      return text
    },
  },
  'openai, stream helper': {
    vendor: 'openai',
    tellsErrorEvents: true,
    read: async (rig) => (await openai(rig).chat.completions.stream({ model: 'gpt-x', messages }).finalContent()) ?? '',
  },
  'anthropic, raw stream': {
    vendor: 'anthropic',
    tellsErrorEvents: true,
    read: async (rig, signal) => {
      const params = { model: 'claude-x', max_tokens: 64, messages, stream: true } as const
      let text = ''
      for await (const event of await anthropic(rig).messages.create(params, signal ? { signal } : {})) {
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text
      }
      return text
    },
  },
  'anthropic, stream helper': {
    vendor: 'anthropic',
    tellsErrorEvents: true,
    read: (rig) => anthropic(rig).messages.stream({ model: 'claude-x', max_tokens: 64, messages }).finalText(),
  },
  '@google/genai': {
    vendor: 'gemini',
    tellsErrorEvents: true,
    read: async (rig, signal) => {
      const config = signal ? { config: { abortSignal: signal } } : {}
      let text = ''
      for await (const part of await genai(rig).models.generateContentStream({
        model: 'gemini-x',
        contents: 'Say hello',
        ...config,
      })) {
        text += part.text ?? ''
      }
      return text
    },
  },
  '@google/generative-ai, stream': {
    vendor: 'gemini',
    tellsErrorEvents: false,
    read: async (rig, signal) => {
      const { stream, response } = await old(rig).generateContentStream('Say hello', signal ? { signal } : {})
      response.catch(() => {})
      let text = ''
      for await (const part of stream) text += part.text()
      return text
    },
  },
  '@google/generative-ai, response': {
    vendor: 'gemini',
    tellsErrorEvents: false,
    read: async (rig) => {
      const { stream, response } = await old(rig).generateContentStream('Say hello')
      void (async () => {
        for await (const _ of stream);
      })().catch(() => {})
      return (await response).text()
    },
  },
}

const ERROR_EVENTS: Readonly<Record<Vendor, string>> = {
  openai: 'data: {"error":{"message":"The server had an error","type":"server_error","code":"x","param":null}}\n\n',
  anthropic: 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
  gemini: 'data: {"error":{"code":503,"message":"The model is overloaded","status":"UNAVAILABLE"}}\n\n',
}

describe.each(Object.entries(READERS))('%s', (_, { vendor, read, tellsErrorEvents }) => {
  const rig = relayRig()
  const { stream } = DIALECTS[vendor]
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = stream
  const part = Buffer.concat([Buffer.from(`${second.length.toString(16)}\r\n`), second.subarray(0, 20)])

  it('reads a whole stream', async () => {
    rig.vendor.script = afterBody(() => sse(stream))
    expect(await read(rig)).toBe('Hello there')
  })

  const BREAKS: Readonly<Record<string, readonly Step[]>> = {
    'a reset between events': [sseHead(), chunk(first), delay(30), reset()],
    'an end between events': [sseHead(), chunk(first), delay(30), fin()],
    'a reset within an event': [sseHead(), chunk(first), raw(part), delay(30), reset()],
    'an end within an event': [sseHead(), chunk(first), raw(part), delay(30), fin()],
    'an end after the last event but one': [
      sseHead(),
      ...stream.slice(0, -1).map((event) => chunk(event)),
      delay(30),
      fin(),
    ],
    'an end after the last event': [sseHead(), ...stream.map((event) => chunk(event)), delay(30), reset()],
  }
  for (const [story, steps] of Object.entries(BREAKS)) {
    // openai stops reading at [DONE], anthropic's and all helpers are done at their own last event: what comes after
    // the end of the text changes nothing for them.
    const mayBeWhole = story === 'an end after the last event'
    it(`fails at ${story}`, async () => {
      rig.vendor.script = afterBody(() => steps)
      const outcome = await read(rig).catch((error: unknown) => error)
      if (mayBeWhole && typeof outcome === 'string') expect(outcome).toBe('Hello there')
      else expect(outcome).toBeInstanceOf(Error)
    })
  }

  it("tells the vendor's own error event", async () => {
    rig.vendor.script = afterBody(() => [sseHead(), chunk(first), chunk(ERROR_EVENTS[vendor]), lastChunk()])
    const outcome = await read(rig).catch((error: unknown) => error)
    if (tellsErrorEvents) expect(outcome).toBeInstanceOf(Error)
    expect(rig.vendor.requests).toHaveLength(1)
  })
})

describe('a caller that aborts through its SDK', () => {
  const rig = relayRig()
  const raws = Object.entries(READERS).filter(([name]) => !/helper|response/.test(name))
  for (const [name, { vendor, read }] of raws) {
    it(`${name}: ends the vendor's call within a second`, async () => {
      const { stream } = DIALECTS[vendor]
      rig.vendor.script = afterBody(() => [sseHead(), chunk(stream[0] ?? ''), delay(20_000)])
      const controller = new AbortController()
      const reading = read(rig, controller.signal).catch(() => {})
      const request = await rig.vendor.received()
      await new Promise((resolve) => setTimeout(resolve, 100))
      const aborted = performance.now()
      controller.abort()
      const { at } = await request.closed
      expect(at - aborted).toBeLessThan(1000)
      await reading
    })
  }
})

describe('plain answers that break', () => {
  const rig = relayRig()
  const calls: Readonly<Record<Vendor, () => Promise<unknown>>> = {
    openai: () => openai(rig).chat.completions.create({ model: 'gpt-x', messages }),
    anthropic: () => anthropic(rig).messages.create({ model: 'claude-x', max_tokens: 64, messages }),
    gemini: () => genai(rig).models.generateContent({ model: 'gemini-x', contents: 'Say hello' }),
  }
  for (const [vendor, call] of Object.entries(calls)) {
    const { answer } = DIALECTS[vendor as Vendor]
    it(`${vendor} fails when the body ends early`, async () => {
      const [start] = json(answer)
      rig.vendor.script = afterBody(() => [start ?? reset(), raw(answer.slice(0, 40)), delay(20), fin()])
      await expect(call()).rejects.toThrow()
    })
    it(`${vendor} fails when a whole JSON is less than was promised`, async () => {
      rig.vendor.script = afterBody(() => [
        raw(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answer.length + 5}\r\n\r\n${answer}`,
        ),
        delay(20),
        fin(),
      ])
      await expect(call()).rejects.toThrow()
    })
  }
})
