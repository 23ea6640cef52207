import type { ChatMessage, ChatRequest } from '@llm-ferry/sdk'
import fc from 'fast-check'

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
const png = fc.base64String({ minLength: 4, maxLength: 16 }).map((data) => `data:image/png;base64,${data}`)
const part = fc.oneof(
  words.map((text) => ({ type: 'text' as const, text })),
  png.map((url) => ({ type: 'image_url' as const, image_url: { url } })),
)
const user = fc
  .oneof(words, fc.array(part, { minLength: 1, maxLength: 3 }))
  .map((content): ChatMessage => ({ role: 'user', content }))
const system = fc
  .tuple(fc.constantFrom('system' as const, 'developer' as const), words)
  .map(([role, content]): ChatMessage => ({ role, content }))

const args = fc.dictionary(
  fc.stringMatching(/^[a-z]{1,4}$/),
  fc.oneof(words, fc.integer(), fc.boolean(), fc.constant(null)),
)
const result = fc.record({ name: fc.constantFrom('f', 'g'), args, content: words, failed: fc.boolean() })

/** An assistant turn, with the results of the calls that it made. */
const assistant = fc
  .tuple(fc.option(words, { nil: undefined }), fc.array(result, { maxLength: 3 }), fc.uuid())
  .map(([content, results, id]): ChatMessage[] => {
    const calls = results.map(({ name, args }, index) => ({
      id: `call_${id}_${index}`,
      type: 'function' as const,
      function: { name, arguments: JSON.stringify(args) },
    }))
    const said = content === undefined && calls.length === 0 ? 'ok' : content
    return [
      {
        role: 'assistant',
        ...(said !== undefined && { content: said }),
        ...(calls.length > 0 && { tool_calls: calls }),
      },
      ...results.map(({ content, failed }, index): ChatMessage => {
        const answer = { role: 'tool' as const, tool_call_id: `call_${id}_${index}`, content }
        return failed ? { ...answer, is_error: true } : answer
      }),
    ]
  })

/** Conversations with instructions anywhere, images, parallel calls and failed results, ended by the user. */
export const conversations: fc.Arbitrary<ChatRequest> = fc
  .tuple(
    fc.array(system, { maxLength: 2 }),
    fc.array(
      fc.oneof(
        user.map((each) => [each]),
        assistant,
        system.map((each) => [each]),
      ),
      { maxLength: 6 },
    ),
    user,
    user,
  )
  .map(([first, middle, begin, end]) => ({
    model: 'm',
    messages: [...first, begin, ...middle.flat(), end],
    tools: ['f', 'g'].map((name) => ({ type: 'function' as const, function: { name } })),
  }))
