import type { ChatRequest } from '@llm-ferry/sdk'

/** Longest text that is counted whole, in UTF-16 units: about 0.4 ms. */
const COUNTED_WHOLE = 8_000
/** Of a longer one this many pieces of this length are counted, evenly spread. */
const SAMPLES = 8
const SAMPLE_LENGTH = COUNTED_WHOLE / SAMPLES

/** What each message adds to its text: role and separators. */
const TOKENS_PER_MESSAGE = 4
/** An image or a document, whose tokens depend on what the vendor makes of it. */
const TOKENS_PER_MEDIA_PART = 1_000

/** Output that is reserved for a call that names no limit. */
const DEFAULT_OUTPUT = 1_024
/** Most output that is reserved for one answer: who allows 100,000 tokens to be safe must not block its own key. */
const MAX_OUTPUT = 4_096

/** Counts tokens of text: exact for short text of OpenAI's models, an estimate for others. */
export type TokenCounter = (text: string) => number

let loading: Promise<TokenCounter> | undefined

/** Loads the tokenizer, once. Its tables take 0.1 s in which nothing else runs: ask for it at start. */
export function loadTokenCounter(): Promise<TokenCounter> {
  loading ??= import('gpt-tokenizer/encoding/o200k_base').then(({ countTokens }) => {
    // Text that looks like a control token is text: a prompt may speak of them.
    const options = { disallowedSpecial: new Set<string>() }
    return sampled((text) => countTokens(text, options))
  })
  return loading
}

function sampled(count: TokenCounter): TokenCounter {
  return (text) => {
    if (text.length <= COUNTED_WHOLE) return count(text)
    const step = (text.length - SAMPLE_LENGTH) / (SAMPLES - 1)
    let tokens = 0
    for (let i = 0; i < SAMPLES; i++)
      tokens += count(text.slice(Math.floor(i * step), Math.floor(i * step) + SAMPLE_LENGTH))
    return Math.ceil((tokens / COUNTED_WHOLE) * text.length)
  }
}

/** Tokens of a request’s messages and tools. */
export function estimatePrompt(request: ChatRequest, count: TokenCounter): number {
  const texts: string[] = request.tools === undefined ? [] : [JSON.stringify(request.tools)]
  let tokens = 0
  for (const message of request.messages) {
    tokens += TOKENS_PER_MESSAGE
    const { content } = message
    if (typeof content === 'string') texts.push(content)
    else if (Array.isArray(content)) tokens += collectParts(content, texts)
    if ('tool_calls' in message && message.tool_calls) texts.push(JSON.stringify(message.tool_calls))
  }
  return tokens + count(texts.join('\n'))
}

/** Puts text parts into `texts` and returns the tokens of the others. */
function collectParts(parts: readonly object[], texts: string[]): number {
  let tokens = 0
  for (const part of parts) {
    if ('text' in part && typeof part.text === 'string') texts.push(part.text)
    else tokens += TOKENS_PER_MEDIA_PART
  }
  return tokens
}

/** Output tokens to reserve for a request: what it allows, within bounds. */
export function expectedOutput({ max_completion_tokens, max_tokens, n }: ChatRequest): number {
  const asked = max_completion_tokens ?? max_tokens ?? DEFAULT_OUTPUT
  return Math.min(asked, MAX_OUTPUT) * (n ?? 1)
}
