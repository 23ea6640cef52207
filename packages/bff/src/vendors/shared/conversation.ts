import type { ChatMessage, ChatRequest, ToolCall } from '@llm-ferry/sdk'
import type { FunctionToolCall } from '@llm-ferry/sdk/schema'
import type { Target } from '../vendor.ts'
import { record } from './json.ts'
import { invalid, unsupported } from './refuse.ts'

/** Names of the functions called so far, by call id. */
export type CallNames = ReadonlyMap<string, string>

/**
 * Checks that every tool result answers a call before it and every call has its result, as turn-based vendors demand,
 * and returns the names that results need.
 */
export function pairToolCalls(messages: readonly ChatMessage[]): CallNames {
  const names = new Map<string, string>()
  const open = new Map<string, string>()
  messages.forEach((message, at) => {
    if (message.role === 'tool') answer(message.tool_call_id, `messages[${at}].tool_call_id`, names, open)
    if (message.role !== 'assistant') return
    requireAnswered(open)
    message.tool_calls?.forEach((call, index) => {
      if (call.type !== 'function') return
      names.set(call.id, call.function.name)
      open.set(call.id, `messages[${at}].tool_calls[${index}]`)
    })
  })
  requireAnswered(open)
  return names
}

function answer(id: string, param: string, names: CallNames, open: Map<string, string>): void {
  if (!names.has(id))
    throw invalid(param, 'answers no tool call of an earlier assistant message; send that message too.')
  open.delete(id)
}

function requireAnswered(open: ReadonlyMap<string, string>): void {
  for (const param of open.values()) throw invalid(param, 'has no result; add a tool message with its id after it.')
}

/** The call as a call of a function; other kinds exist at OpenAI alone. */
export function functionCall(call: ToolCall, param: string, target: Target): FunctionToolCall {
  if (call.type === 'function') return call
  throw unsupported(`${param}.type`, target, 'has no custom tools; use a function.')
}

/** Arguments of a call as the object that other vendors want. */
export function parseArguments(text: string, param: string): Readonly<Record<string, unknown>> {
  if (text.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid(param, 'is not valid JSON; correct it.')
  }
  const parsed = record(value)
  if (!parsed) throw invalid(param, 'must be the JSON text of an object.')
  return parsed
}

/** Stop texts as a list, or `undefined` for none. */
export function stopList(request: ChatRequest): readonly string[] | undefined {
  const stop = typeof request.stop === 'string' ? [request.stop] : request.stop
  return stop && stop.length > 0 ? stop : undefined
}

/** Most tokens the caller wants, the newer name first. */
export function maxTokens(request: ChatRequest): number | undefined {
  return request.max_completion_tokens ?? request.max_tokens
}
