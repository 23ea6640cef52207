import { type ChatRequest, FerryError } from '@llm-ferry/sdk'
import type { Target } from '../vendor.ts'

/** The target cannot do what the field asks for, and leaving it out would change the answer. */
export function unsupported(param: string, target: Target, reason: string): FerryError {
  const message = `\`${param}\`: ${target.vendor}/${target.model} ${reason}`
  return new FerryError('unsupported_parameter', message, { param, vendor: target.vendor })
}

/** The field is wrong for any target, in a way that the schema cannot say. */
export function invalid(param: string, reason: string): FerryError {
  return new FerryError('invalid_request', `\`${param}\`: ${reason}`, { param })
}

// Fields whose absence changes how an answer is found, or what the vendor's console shows, never what was asked for.
const DROPPABLE = [
  'temperature',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'seed',
  'user',
  'safety_identifier',
  'metadata',
  'store',
  'service_tier',
  'prompt_cache_key',
  'cache_control',
  'verbosity',
  'prediction',
  'reasoning_effort',
] as const

const ALWAYS_READ = new Set<string>([
  ...DROPPABLE,
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_completion_tokens',
  'max_tokens',
  'stop',
  'n',
  'logprobs',
  'top_logprobs',
  'response_format',
  'modalities',
  'audio',
  'web_search_options',
  'functions',
  'function_call',
])

/** Which fields of the request the target is not sent, given those droppable ones that it is. */
export function droppedFields(request: ChatRequest, sent: ReadonlySet<string>): string[] {
  const dropped = DROPPABLE.filter((field) => matters(request[field]) && !sent.has(field))
  const unknown = Object.keys(request).filter((field) => !ALWAYS_READ.has(field))
  return [...dropped, ...unknown.filter((field) => request[field] !== undefined && request[field] !== null)]
}

// 0 and false are what a target without the field does anyway; a seed or a temperature of 0 is asked for.
function matters(value: unknown): boolean {
  return value !== undefined && value !== false
}

const OLDER = [
  ['functions', 'tools'],
  ['function_call', 'tool_choice'],
] as const

/** Refuses what no other vendor than the one whose schema this is has. */
export function refuseForeign(request: ChatRequest, target: Target): void {
  for (const field of ['audio', 'web_search_options'] as const) {
    if (request[field] !== undefined) throw unsupported(field, target, 'has nothing like it; leave it out.')
  }
  for (const [field, instead] of OLDER) {
    if (request[field] !== undefined)
      throw unsupported(field, target, `takes the newer form alone; use \`${instead}\`.`)
  }
  request.messages.forEach((message, at) => {
    if (message.role === 'function')
      throw unsupported(`messages[${at}].role`, target, 'takes the newer form alone; use `tool` with a `tool_call_id`.')
    if (message.role === 'assistant' && message.function_call !== undefined)
      throw unsupported(`messages[${at}].function_call`, target, 'takes the newer form alone; use `tool_calls`.')
  })
}
