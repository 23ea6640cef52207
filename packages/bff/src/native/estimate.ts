import type { ChatRequest } from '@llm-ferry/sdk'
import type { NativeFacts } from '../vendors/native.ts'

/** Longest text without a space that is still read as text; longer ones are images, sound or files. */
const LONGEST_WORD = 1_000
/** No request has text further down; who nests deeper may want to end our stack. */
const MAX_DEPTH = 100

type Messages = ChatRequest['messages']
type Part = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } }

const MEDIA: Part = { type: 'image_url', image_url: { url: '' } }

/**
 * A native request as a chat of about as many tokens, for limits to reserve and to estimate by.
 *
 * @param body parsed JSON, or `undefined` for an upload.
 */
export function asChat({ model, isStream, maxTokens, choices }: NativeFacts, body: unknown): ChatRequest {
  let messages: Messages | undefined
  return {
    model: model ?? '',
    stream: isStream,
    ...(maxTokens !== undefined && { max_completion_tokens: maxTokens }),
    ...(choices !== undefined && { n: choices }),
    // Looked for only where somebody asks: most calls have no limit that does, and vendors tell their usage.
    get messages(): Messages {
      messages ??= [{ role: 'user', content: body === undefined ? [MEDIA] : partsOf(body, [], 0) }]
      return messages
    },
  }
}

function partsOf(value: unknown, parts: Part[], depth: number): Part[] {
  if (typeof value === 'string') parts.push(isText(value) ? { type: 'text', text: value } : MEDIA)
  else if (typeof value === 'object' && value !== null && depth < MAX_DEPTH) {
    for (const item of Object.values(value)) partsOf(item, parts, depth + 1)
  }
  return parts
}

const isText = (value: string): boolean => value.length < LONGEST_WORD || /\s/.test(value.slice(0, LONGEST_WORD))
