import type { ChatRequest } from '@llm-ferry/sdk'
import { maxTokens } from '../shared/conversation.ts'
import type { Target, WireRequest } from '../vendor.ts'
import { mapMessages } from './messages.ts'
import { isStrict } from './strict.ts'
import { mapTools } from './tools.ts'

export const HEADERS: Readonly<Record<string, string>> = { 'content-type': 'application/json' }

export function mapRequest(request: ChatRequest, target: Target): WireRequest {
  const strict = isStrict(target)
  const dropped = strict && request.cache_control !== undefined ? ['cache_control'] : []
  const body = {
    ...request,
    model: target.model,
    messages: mapMessages(request.messages, target),
    tools: mapTools(request.tools, target),
    // OpenAI's reasoning models refuse the older name; most other vendors know no other.
    max_completion_tokens: strict ? maxTokens(request) : undefined,
    max_tokens: strict ? undefined : maxTokens(request),
    cache_control: strict ? undefined : request.cache_control,
    // Usage is the ledger's business, whatever the caller asked for.
    stream_options: request.stream ? { ...request.stream_options, include_usage: true } : undefined,
  }
  return { method: 'POST', path: 'v1/chat/completions', headers: HEADERS, body, dropped }
}
