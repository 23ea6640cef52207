import type { ChatCompletion } from '@llm-ferry/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isFit } from '../../src/cache/answer.ts'
import { fingerprint } from '../../src/cache/fingerprint.ts'
import { asChunks, asCompletion } from '../../src/cache/forms.ts'
import { seal, unseal } from '../../src/cache/sealed.ts'
import { wireText } from '../../src/dispatch/wire-text.ts'

const text = fc.string({ minLength: 1 })
const toolCalls = fc.array(
  fc.record({
    id: text,
    type: fc.constant('function' as const),
    function: fc.record({ name: text, arguments: fc.json() }),
  }),
  { minLength: 1, maxLength: 3 },
)
const details = fc.array(fc.record({ type: fc.constant('reasoning.text'), text }), { minLength: 1, maxLength: 3 })
const message = fc.record(
  {
    role: fc.constant('assistant' as const),
    content: fc.oneof(fc.constant(null), text),
    refusal: fc.constant(null),
    tool_calls: toolCalls,
    reasoning_content: text,
    reasoning_details: details.map((all) => all.map((detail, index) => ({ index, ...detail }))),
  },
  { requiredKeys: ['role', 'content', 'refusal'] },
)
const completion: fc.Arbitrary<ChatCompletion> = fc.record({
  id: text,
  object: fc.constant('chat.completion' as const),
  created: fc.nat(),
  model: text,
  choices: fc
    .array(fc.record({ message, finish_reason: fc.constantFrom('stop' as const, 'tool_calls' as const) }), {
      minLength: 1,
      maxLength: 3,
    })
    .map((choices) => choices.map((choice, index) => ({ index, ...choice, logprobs: null }))),
  usage: fc.record({ prompt_tokens: fc.nat(), completion_tokens: fc.nat(), total_tokens: fc.nat() }),
})

describe('a kept answer in its other form', () => {
  test('adds up to itself: whole → chunks → whole', () => {
    fc.assert(
      fc.property(completion, (value) => {
        const events = asChunks({ kind: 'plain', value }).map(wireText)
        expect(asCompletion({ kind: 'stream', events })).toEqual(value)
      }),
    )
  })

  test('a stream comes as the very text it came in', () => {
    const events = ['{"id":"c", "choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"vendors_own":1}']
    expect(asChunks({ kind: 'stream', events }).map(wireText)).toEqual(events)
  })
})

describe('what may be given again', () => {
  const whole = { role: 'assistant' as const, content: 'a', refusal: null }
  const ended = (finish_reason: 'stop' | 'length' | 'content_filter' | 'tool_calls' | 'function_call', more = {}) => ({
    index: 0,
    message: { ...whole, ...more },
    finish_reason,
    logprobs: null,
  })
  test.each([
    [true, [ended('stop')]],
    [true, [ended('tool_calls'), ended('stop')]],
    [false, []],
    [false, [ended('stop'), ended('length')]],
    [false, [ended('content_filter')]],
    [false, [ended('function_call')]],
    [false, [ended('stop', { refusal: 'no' })]],
    [false, [ended('stop', { audio: { id: 'a' } })]],
  ])('%j: %j', (fit, choices) => expect(isFit({ choices })).toBe(fit))
})

describe('a sealed answer', () => {
  const about = { owner: ['key', 'app'], models: ['openai/gpt-x'] }
  const print = fingerprint({ messages: ['a secret question'] }, about)
  const answer = {
    vendor: 'openai',
    model: 'gpt-x',
    dropped: [],
    at: 1,
    body: { kind: 'plain', value: { a: 'secret' } },
  } as const

  test('opens for the same request only', async () => {
    const sealed = await seal(answer, print)
    expect(unseal(sealed!, print)).toEqual(answer)
    expect(unseal(sealed!, fingerprint({ messages: ['another'] }, about))).toBeUndefined()
    expect(
      unseal(sealed!, fingerprint({ messages: ['a secret question'] }, { ...about, owner: ['key', 'b'] })),
    ).toBeUndefined()
    expect(unseal(sealed!, { ...print, name: 'moved' })).toBeUndefined()
  })

  test('is nothing when damaged, at any byte and any length', async () => {
    const sealed = (await seal(answer, print))!
    for (let i = 0; i < sealed.length; i++) {
      const damaged = Buffer.from(sealed)
      damaged[i] = (damaged[i] ?? 0) ^ 1
      expect(unseal(damaged, print)).toBeUndefined()
      expect(unseal(sealed.subarray(0, i), print)).toBeUndefined()
    }
  })

  test('that is too long is not made', async () => {
    const long = { ...answer, body: { kind: 'plain', value: { a: 'x'.repeat(5_000_000) } } } as const
    expect(await seal(long, print)).toBeUndefined()
  })
})
