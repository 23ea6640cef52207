import type { ChatRequest } from '@llm-ferry/sdk'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'
import { describe, expect, test } from 'vitest'
import { estimatePrompt, expectedOutput, loadTokenCounter } from '../../src/limits/estimate.ts'

const count = await loadTokenCounter()
const english = 'Reserve what a call may take, then settle what it took; nothing may come between. '
const chinese = '今天讨论如何在多个进程之间精确地共享配额，并且在断线之后仍然对得上账。'

describe('counting tokens', () => {
  test.each([english, chinese, '', 'a'])('is exact for short text', (text) => {
    expect(count(text)).toBe(countTokens(text))
  })

  test('takes text that looks like a control token as text', () => {
    expect(count('say <|endoftext|> twice')).toBeGreaterThan(4)
  })

  test('a megabyte of mixed text is estimated within a tenth, in a few ms', () => {
    const text = english.repeat(6000) + chinese.repeat(12_000)
    const exact = countTokens(text)
    const started = performance.now()
    const estimate = count(text)
    expect(performance.now() - started).toBeLessThan(50)
    expect(Math.abs(estimate - exact) / exact).toBeLessThan(0.1)
  })
})

const request = (more: Partial<ChatRequest>): ChatRequest => ({ model: 'm', messages: [], ...more }) as ChatRequest

describe('what a call is expected to take', () => {
  test('counts messages, parts, tools and tool calls', () => {
    const plain = estimatePrompt(request({ messages: [{ role: 'user', content: english }] }), count)
    expect(plain).toBe(count(english) + 4)
    const parts = [
      { type: 'text', text: english },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(100_000)}` } },
    ]
    const messages = [{ role: 'user', content: parts }] as ChatRequest['messages']
    expect(estimatePrompt(request({ messages }), count)).toBe(plain + 1000)
    const tools = [{ type: 'function', function: { name: 'f', description: english } }] as NonNullable<
      ChatRequest['tools']
    >
    expect(estimatePrompt(request({ tools }), count)).toBeGreaterThan(count(english))
  })

  test.each([
    [{}, 1024],
    [{ max_tokens: 10 }, 10],
    [{ max_completion_tokens: 20, max_tokens: 10 }, 20],
    [{ max_tokens: 2_000_000_000 }, 4096],
    [{ max_tokens: 100, n: 3 }, 300],
  ])('%j reserves %i tokens of output', (more, tokens) => {
    expect(expectedOutput(request(more))).toBe(tokens)
  })
})
