import type { ChatMessage, ReasoningDetail } from '@llm-ferry/sdk'
import { unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'
import { isStrict } from './strict.ts'

/** Messages as the target takes them. Those that need no change are passed on as they are. */
export function mapMessages(messages: readonly ChatMessage[], target: Target): readonly unknown[] {
  if (!isStrict(target)) return messages.map(toLenient)
  return messages.map((message, index) => {
    refuseMedia(message, `messages[${index}]`, target)
    return toStrict(message)
  })
}

// A wider copy: what an OpenAI-dialect target is sent is not our type any more.
type Loose = Record<string, unknown>

function refuseMedia(message: ChatMessage, param: string, target: Target): void {
  if (message.role === 'assistant' && message.images?.length) {
    throw unsupported(`${param}.images`, target, 'takes no images in assistant messages; send them in a user message.')
  }
  if (message.role !== 'tool' || typeof message.content === 'string') return
  const at = message.content.findIndex(({ type }) => type !== 'text')
  if (at < 0) return
  throw unsupported(`${param}.content[${at}]`, target, 'takes text alone in results; send the rest in a user message.')
}

function toStrict(message: ChatMessage): Loose {
  const { cache_control: _, ...rest }: Loose = message
  if (Array.isArray(rest.content)) rest.content = rest.content.map(withoutCacheControl)
  if (message.role === 'tool') rest.is_error = undefined
  if (message.role !== 'assistant') return rest
  rest.reasoning_content = undefined
  rest.reasoning_details = undefined
  return rest
}

function withoutCacheControl(part: Loose): Loose {
  if (part.cache_control === undefined) return part
  const { cache_control: _, ...rest } = part
  return rest
}

function toLenient(message: ChatMessage): Loose {
  if (message.role === 'developer') return { ...message, role: 'system' }
  if (message.role === 'tool') return { ...message, is_error: undefined }
  if (message.role !== 'assistant' || !message.reasoning_details) return message
  const details = message.reasoning_details.filter(isForeign)
  return { ...message, reasoning_details: details.length > 0 ? details : undefined }
}

// Blocks of the native dialects mean nothing to a vendor of this one.
const NATIVE = new Set(['anthropic.messages.v1', 'gemini.parts.v1'])

function isForeign(detail: ReasoningDetail): boolean {
  return detail.format === undefined || !NATIVE.has(detail.format)
}
