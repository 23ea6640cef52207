import type { ChatRequest } from '@llm-ferry/sdk'
import { maxTokens, pairToolCalls, stopList } from '../shared/conversation.ts'
import type { Json } from '../shared/json.ts'
import { droppedFields, invalid, refuseForeign, unsupported } from '../shared/refuse.ts'
import type { Target, WireRequest } from '../vendor.ts'
import { mapMessages } from './messages.ts'
import { type ModelTraits, traitsOf } from './models.ts'
import { strictSchema } from './schema.ts'
import { planThinking } from './thinking.ts'
import { mapTools } from './tools.ts'

// The newer version refuses sampling at any value; the older one is sent for models that still sample.
const VERSION = '2026-10-21'
const VERSION_WITH_SAMPLING = '2023-06-01'

export function mapRequest(request: ChatRequest, target: Target): WireRequest {
  refuse(request, target)
  const traits = traitsOf(target.model)
  const sent = new Set<string>()
  const max_tokens = Math.min(maxTokens(request) ?? target.maxOutputTokens ?? traits.maxTokens, traits.maxTokens)
  const plan = planThinking(request, traits, max_tokens, target)
  if (plan.applied) sent.add('reasoning_effort')
  const sampling = plan.thinking?.type === 'enabled' ? {} : mapSampling(request, traits, sent)
  const called = pairToolCalls(request.messages)
  const { system, messages } = mapMessages(request.messages, traits, target)
  if (messages.length === 0) throw invalid('messages', 'has no user message with content; add one.')
  const body = {
    model: target.model,
    max_tokens,
    ...(system.length > 0 && { system }),
    messages,
    ...mapTools(request, called, target),
    ...sampling,
    ...(plan.thinking && { thinking: plan.thinking }),
    ...mapOutput(request, plan.effort, traits, target),
    ...mapAccount(request, sent),
    ...(request.stream && { stream: true }),
  }
  const version = Object.keys(sampling).length > 0 ? VERSION_WITH_SAMPLING : VERSION
  const headers = { 'content-type': 'application/json', 'anthropic-version': version }
  return { method: 'POST', path: 'v1/messages', headers, body, dropped: droppedFields(request, sent) }
}

function refuse(request: ChatRequest, target: Target): void {
  refuseForeign(request, target)
  if ((request.n ?? 1) > 1) throw unsupported('n', target, 'writes one answer a call; call it several times.')
  if (request.logprobs) throw unsupported('logprobs', target, 'tells no log probabilities.')
  if (request.top_logprobs) throw unsupported('top_logprobs', target, 'tells no log probabilities.')
  if (request.modalities?.some((each) => each !== 'text')) throw unsupported('modalities', target, 'writes text only.')
}

// One of the two only: models of 4.5 refuse both together.
function mapSampling(request: ChatRequest, traits: ModelTraits, sent: Set<string>): Json {
  if (!traits.sampling) return {}
  if (request.temperature !== undefined) {
    // Above its 1 the vendor refuses: the nearest is sent, and the caller told that it is not what it asked for.
    if (request.temperature <= 1) sent.add('temperature')
    return { temperature: Math.min(request.temperature, 1) }
  }
  if (request.top_p === undefined) return {}
  sent.add('top_p')
  return { top_p: request.top_p }
}

function mapOutput(request: ChatRequest, effort: string | undefined, traits: ModelTraits, target: Target): Json {
  const stop = stopList(request)
  if (stop?.some((each) => each.trim() === '')) throw unsupported('stop', target, 'takes no stop text of blanks alone.')
  const format = mapFormat(request, traits, target)
  return {
    ...(stop && { stop_sequences: stop }),
    ...((format || effort) && { output_config: { ...(effort && { effort }), ...(format && { format }) } }),
  }
}

function mapFormat({ response_format: format }: ChatRequest, traits: ModelTraits, target: Target): Json | undefined {
  if (!format || format.type === 'text') return undefined
  if (format.type === 'json_object') {
    throw unsupported('response_format', target, 'has no JSON mode without a schema; send json_schema.')
  }
  const { schema } = format.json_schema
  if (!schema) throw invalid('response_format.json_schema.schema', 'is missing; send an object.')
  if (!traits.structured)
    throw unsupported('response_format', target, 'keeps to no schema; use a newer model or a tool.')
  return { type: 'json_schema', schema: strictSchema(schema, 'response_format.json_schema.schema', target) }
}

const TIERS: Readonly<Record<string, string>> = {
  auto: 'auto',
  priority: 'auto',
  default: 'standard_only',
}

function mapAccount(request: ChatRequest, sent: Set<string>): Json {
  const user_id = request.safety_identifier ?? request.user
  const service_tier = Object.hasOwn(TIERS, request.service_tier ?? '') ? TIERS[request.service_tier ?? ''] : undefined
  if (user_id !== undefined) sent.add('user').add('safety_identifier')
  if (service_tier !== undefined) sent.add('service_tier')
  sent.add('cache_control')
  return {
    ...(user_id !== undefined && { metadata: { user_id } }),
    ...(service_tier !== undefined && { service_tier }),
    ...(request.cache_control && { cache_control: request.cache_control }),
  }
}
