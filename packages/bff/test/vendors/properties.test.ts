import { type ChatMessage, type ChatRequest, FerryError } from '@llm-ferry/sdk'
import { ChatRequest as ChatRequestSchema, parseChatRequest } from '@llm-ferry/sdk/schema'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DIALECTS } from '../../src/vendors/registry.ts'
import { conversations } from './support/arbitrary.ts'
import { type Meaning, meaningOfAnthropic, meaningOfGemini, meaningOfRequest, type Said } from './support/meaning.ts'

const MODELS: Readonly<Record<string, string>> = {
  openai: 'gpt-5',
  anthropic: 'claude-opus-4-6',
  gemini: 'gemini-3.8-flash',
}
const send = (dialect: string, request: ChatRequest) =>
  JSON.parse(JSON.stringify(DIALECTS[dialect]!.request(request, { vendor: dialect, model: MODELS[dialect]! }).body))

// Vendors that want results right after their calls get them there; nothing else changes its place.
function resultsFirst({ system, said }: Meaning): Meaning {
  const out: Said[] = []
  for (const each of said) {
    const at = each[0] === 'tool' ? out.findLastIndex(([by]) => by !== 'user') + 1 : out.length
    out.splice(at, 0, each)
  }
  return { system, said: out }
}

// OpenAI has no flag for a failed result; the model reads its text.
function withoutFlags(request: ChatRequest): ChatRequest {
  const messages = request.messages.map((message) =>
    message.role === 'tool' ? { ...message, is_error: false } : message,
  )
  return { ...request, messages }
}

describe('any conversation keeps its meaning', () => {
  it.each([
    ['openai', meaningOfRequest],
    ['anthropic', meaningOfAnthropic],
    ['gemini', meaningOfGemini],
  ] as const)('at %s', (dialect, meaningOf) => {
    fc.assert(
      fc.property(conversations, (request) => {
        const meant = resultsFirst(meaningOfRequest(dialect === 'openai' ? withoutFlags(request) : request))
        expect(meaningOf(send(dialect, request))).toEqual(meant)
      }),
      { numRuns: 300 },
    )
  })
})

const words = fc.string({ minLength: 1, maxLength: 8 })
const input = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.oneof(words, fc.integer()))

/** The vendor's answer, then what the vendor is sent when it is echoed. */
function echo(dialect: string, answer: unknown, ids: readonly string[]): Record<string, unknown> {
  const target = { vendor: dialect, model: MODELS[dialect]! }
  const { choices } = DIALECTS[dialect]!.response(answer, target)
  const message = JSON.parse(JSON.stringify(choices[0]?.message)) as ChatMessage
  const results = ids.map((id): ChatMessage => ({ role: 'tool', tool_call_id: id, content: 'x' }))
  const messages: ChatMessage[] = [{ role: 'user', content: 'a' }, message, ...results, { role: 'user', content: 'b' }]
  return send(dialect, parseChatRequest({ model: 'm', messages }))
}

describe('any answer comes back unchanged in the next turn', () => {
  it('to Anthropic, thinking wherever it stood', () => {
    const block = fc.oneof(
      fc.record({ type: fc.constant('text'), text: words }),
      fc.record({ type: fc.constant('thinking'), thinking: words, signature: words }),
      fc.record({ type: fc.constant('redacted_thinking'), data: words }),
    )
    const tool = fc.record({ type: fc.constant('tool_use'), name: fc.constantFrom('f', 'g'), input })
    const thought = fc.record({ type: fc.constant('thinking'), thinking: words, signature: words })
    fc.assert(
      fc.property(
        fc.array(block, { maxLength: 5 }),
        fc.array(fc.oneof(tool, thought), { maxLength: 4 }),
        (spoken, rest) => {
          const content = [...withoutNeighbours(spoken), ...rest].map((each, index) =>
            each.type === 'tool_use' ? { ...each, id: `t${index}` } : each,
          )
          fc.pre(content.length > 0)
          const ids = content.flatMap((each) => ('id' in each ? [each.id] : []))
          const answer = { type: 'message', content, stop_reason: 'end_turn' }
          expect(echo('anthropic', answer, ids)).toHaveProperty(['messages', 1], { role: 'assistant', content })
        },
      ),
      { numRuns: 300 },
    )
  })

  it('to Gemini, signatures on the parts that had them', () => {
    const signed = fc.record({ text: words, thoughtSignature: words })
    const thought = fc.record({ text: words, thought: fc.constant(true), thoughtSignature: words })
    const call = fc.record({
      functionCall: fc.record({ name: fc.constantFrom('f', 'g'), args: input }),
      thoughtSignature: words,
    })
    fc.assert(
      fc.property(
        fc.array(signed, { maxLength: 3 }),
        fc.array(fc.oneof(call, thought), { maxLength: 4 }),
        (spoken, rest) => {
          const loose = [...spoken, ...rest] as { thought?: true; functionCall?: object }[]
          const parts = loose
            .filter((each, index) => !(each.thought && loose[index - 1]?.thought))
            .map((each, index) =>
              each.functionCall ? { ...each, functionCall: { id: `c${index}`, ...each.functionCall } } : each,
            )
          fc.pre(parts.length > 0)
          const ids = parts.flatMap((each) => (each.functionCall ? [(each.functionCall as { id: string }).id] : []))
          const answer = { candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }] }
          expect(echo('gemini', answer, ids)).toHaveProperty(['contents', 1], { role: 'model', parts })
        },
      ),
      { numRuns: 300 },
    )
  })
})

// Two texts in a row are one text afterwards, which means the same.
function withoutNeighbours<T extends { type: string }>(blocks: readonly T[]): T[] {
  return blocks.filter((block, index) => block.type !== 'text' || blocks[index - 1]?.type !== 'text')
}

describe('no request makes an adapter throw anything but a 400 that names the field', () => {
  const odd = fc.oneof(fc.anything({ maxDepth: 2 }), fc.jsonValue({ maxDepth: 2 }))
  const message = fc.oneof(
    fc.record({ role: fc.constantFrom('system', 'user', 'assistant', 'tool', 'x'), content: odd, tool_call_id: odd }),
    fc.record({ role: fc.constant('user'), content: fc.array(partLike(odd)) }),
    fc.record({ role: fc.constant('assistant'), tool_calls: fc.array(callLike(odd)), reasoning_details: odd }),
  )
  const fields = fc.dictionary(fc.constantFrom(...Object.keys(ChatRequestSchema.shape), '__proto__', 'x'), odd)
  const requests = fc.record({ messages: fc.array(message, { maxLength: 4 }), fields })

  it.each(Object.keys(DIALECTS))('%s', (dialect) => {
    fc.assert(
      fc.property(requests, ({ messages, fields }) => {
        only400(() => send(dialect, parseChatRequest({ ...fields, model: 'm', messages })))
      }),
      { numRuns: 1500 },
    )
  })

  it.each(Object.keys(DIALECTS))('%s, for conversations with one damaged field', (dialect) => {
    fc.assert(
      fc.property(conversations, fields, (request, damage) => {
        only400(() => send(dialect, parseChatRequest({ ...request, ...damage })))
      }),
      { numRuns: 500 },
    )
  })

  it.each(Object.keys(DIALECTS))('%s, for any schema', (dialect) => {
    const names = ['type', 'properties', 'items', 'anyOf', 'oneOf', '$ref', 'enum', 'const', 'not', 'definitions', 'x']
    const keyword = fc.constantFrom(...names)
    const leaf = fc.dictionary(keyword, odd, { maxKeys: 3 })
    const deeper = (inner: fc.Arbitrary<unknown>) =>
      fc.dictionary(keyword, fc.oneof(odd, inner, fc.array(inner, { maxLength: 2 }), fc.record({ a: inner })), {
        maxKeys: 3,
      })
    const schemas = deeper(deeper(leaf))
    fc.assert(
      fc.property(schemas, fc.boolean(), (parameters, strict) => {
        const tools = [{ type: 'function', function: { name: 'f', parameters, strict } }]
        const response_format = { type: 'json_schema', json_schema: { name: 'x', schema: parameters } }
        const messages = [{ role: 'user', content: 'a' }]
        only400(() => send(dialect, parseChatRequest({ model: 'm', messages, tools, response_format })))
      }),
      { numRuns: 500 },
    )
  })
})

function partLike(odd: fc.Arbitrary<unknown>) {
  const url = fc.oneof(fc.constantFrom('data:', 'data:;base64,', 'https://x', 'x', 'data:,%'), fc.string())
  return fc.oneof(
    odd,
    fc.record({ type: fc.constant('image_url'), image_url: fc.record({ url }) }),
    fc.record({ type: fc.constant('file'), file: fc.record({ file_data: url }) }),
    fc.record({ type: fc.constant('input_audio'), input_audio: fc.record({ data: fc.string(), format: fc.string() }) }),
  )
}

function callLike(odd: fc.Arbitrary<unknown>) {
  const fn = fc.record({ name: fc.string(), arguments: fc.oneof(fc.string(), fc.json()) })
  return fc.oneof(
    odd,
    fc.record({ id: fc.string(), type: fc.constantFrom('function', 'custom', 'x'), function: fn, custom: odd }),
  )
}

function only400(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!FerryError.is(error)) throw error
    expect(error).toMatchObject({ status: 400, param: expect.stringMatching(/./) })
  }
}
