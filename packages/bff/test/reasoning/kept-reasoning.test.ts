import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ChatRequest } from '@llm-ferry/sdk'
import { describe, expect, it } from 'vitest'
import { afterBody, chunk, lastChunk } from '../../../../test/testkit/scripted-vendor.ts'
import { Cipher } from '../../src/reasoning/cipher.ts'
import { KeptReasoning } from '../../src/reasoning/kept-reasoning.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { type Store, StoreUnavailable } from '../../src/store/store.ts'
import { BFF_KEY, json, payloads, startTestBff, streamHead, type TestBff } from '../support.ts'

const OTHER_KEY = 'bff-key-of-another-0123456789'

const recorded = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../../test/testkit/fixtures/${name}.sse`, import.meta.url)), 'utf8')

const thought = { type: 'thinking', thinking: 'Let me think', signature: 'EqQBCgIYAhIM' }

const wholeThinking = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content: [thought, { type: 'tool_use', id: 'toolu_A', name: 'get_weather', input: { city: 'Paris' } }],
  stop_reason: 'tool_use',
  usage: { input_tokens: 3, output_tokens: 2 },
}

const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } }]
const question = { role: 'user', content: 'Weather?' }
const model = 'anthropic/claude-sonnet-4-5'

/** Asks for a tool, plain or streamed, and answers it with a message that keeps nothing but the calls. */
async function forgetfully(bff: TestBff, stream: boolean, secondKey = BFF_KEY): Promise<Record<string, unknown>> {
  const first = await bff.chat({ model, messages: [question], tools, reasoning_effort: 'low', stream })
  const ids = stream
    ? [
        ...new Set(
          payloads(await first.text()).flatMap((data) => [...data.matchAll(/"id":"(toolu_\w+)"/g)].map((m) => m[1])),
        ),
      ]
    : (
        (await first.json()) as { choices: { message: { tool_calls: { id: string }[] } }[] }
      ).choices[0]?.message.tool_calls.map(({ id }) => id)
  const calls = (ids ?? []).map((id) => ({ id, type: 'function', function: { name: 'get_weather', arguments: '{}' } }))
  const messages = [
    question,
    { role: 'assistant', content: null, tool_calls: calls },
    ...calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: '20' })),
  ]
  await (
    await bff.chat(
      { model, messages, tools, reasoning_effort: 'low' },
      { headers: { authorization: `Bearer ${secondKey}` } },
    )
  ).text()
  const sent = JSON.parse(bff.vendor.requests.at(-1)?.body.toString() ?? '') as { messages: { content: unknown[] }[] }
  return sent.messages[1]?.content[0] as Record<string, unknown>
}

const start = (yaml = ''): Promise<TestBff> =>
  startTestBff(
    afterBody(({ body }) =>
      body.includes('"stream":true')
        ? [streamHead(), chunk(recorded('anthropic.thinking_tools')), lastChunk()]
        : json(200, wholeThinking),
    ),
    { BFF_KEYS: `app:${BFF_KEY},other:${OTHER_KEY}` },
    yaml,
  )

describe('a client that drops the reasoning', () => {
  it.each([[false], [true]])('has it restored in the next turn; streamed: %s', async (stream) => {
    expect(await forgetfully(await start(), stream)).toEqual(thought)
  })

  it('has another key’s reasoning never', async () => {
    expect(await forgetfully(await start(), false, OTHER_KEY)).toMatchObject({ type: 'tool_use' })
  })

  it('has nothing restored where its key is set so', async () => {
    const bff = await start('keys:\n  app: { keepReasoning: false }\n')
    expect(await forgetfully(bff, false)).toMatchObject({ type: 'tool_use' })
  })
})

const details = [{ type: 'reasoning.text', text: 'a secret thought', index: 0 }]
const turn = { reasoning_details: details, tool_calls: [{ id: 'call_1' }] }
const request = {
  model: 'm',
  messages: [
    { role: 'assistant', tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } }] },
  ],
} as ChatRequest

describe('kept reasoning', () => {
  const secretOf = (): string => 'secret'

  it('is unreadable in the store, and ends after an hour', async () => {
    const values: { value: string; ttlMs: number }[] = []
    const memory = createMemoryStore()
    const store: Store = {
      ...memory,
      set: (_, value, { ttlMs }) => {
        values.push({ value: value.toString('latin1'), ttlMs })
        return Promise.resolve(true)
      },
    }
    await new KeptReasoning({ store, secretOf }).keep('app', turn)
    expect(values).toMatchObject([{ ttlMs: 3_600_000 }])
    expect(values[0]?.value).not.toContain('secret thought')
  })

  it('has a bound, in one turn and in number', async () => {
    const keys = new Set<string>()
    const store: Store = {
      ...createMemoryStore(),
      set: (key) => {
        keys.add(key)
        return Promise.resolve(true)
      },
    }
    const kept = new KeptReasoning({ store, secretOf })
    await kept.keep('app', { ...turn, reasoning_details: [{ ...details[0], text: 'x'.repeat(70_000) }] } as typeof turn)
    expect(keys.size).toBe(0)
    for (let i = 0; i < 10_000; i++) await kept.keep('app', { ...turn, tool_calls: [{ id: `call_${i}` }] })
    expect(keys.size).toBeLessThanOrEqual(2_048)
  })

  it('is what the client sends, where it sends some', async () => {
    const kept = new KeptReasoning({ store: createMemoryStore(), secretOf })
    await kept.keep('app', turn)
    const own = { ...request, messages: [{ ...request.messages[0], reasoning_details: [{ index: 0 }] }] } as ChatRequest
    expect(await kept.restore('app', own)).toBe(own)
    expect((await kept.restore('app', request)).messages[0]).toMatchObject({ reasoning_details: details })
  })

  it('does not hold a call up when the store is away', async () => {
    const away = (): Promise<never> => Promise.reject(new StoreUnavailable('timeout', 'away', { mayHappen: true }))
    const kept = new KeptReasoning({ store: { ...createMemoryStore(), get: away, set: away }, secretOf })
    await kept.keep('app', turn)
    expect(await kept.restore('app', request)).toBe(request)
  })

  it('opens with the same secret, about the same call, undamaged, and not otherwise', () => {
    const sealed = new Cipher('secret').seal('text', 'call_1')
    expect(new Cipher('secret').open(sealed, 'call_1')).toBe('text')
    expect(new Cipher('other').open(sealed, 'call_1')).toBeUndefined()
    expect(new Cipher('secret').open(sealed, 'call_2')).toBeUndefined()
    for (let at = 0; at < sealed.length; at++) {
      const damaged = Buffer.from(sealed)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      expect(new Cipher('secret').open(damaged, 'call_1')).toBeUndefined()
    }
    expect(new Cipher('secret').open(sealed.subarray(0, 20), 'call_1')).toBeUndefined()
  })
})
