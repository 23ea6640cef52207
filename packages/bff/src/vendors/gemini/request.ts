import type { ChatRequest } from '@llm-ferry/sdk'
import { maxTokens, pairToolCalls, stopList } from '../shared/conversation.ts'
import type { Json } from '../shared/json.ts'
import { droppedFields, invalid, refuseForeign, unsupported } from '../shared/refuse.ts'
import type { Target, WireRequest } from '../vendor.ts'
import { mapMessages } from './messages.ts'
import { type ModelTraits, traitsOf } from './models.ts'
import { mapSchema } from './schema.ts'
import { thinkingConfig } from './thinking.ts'
import { mapTools } from './tools.ts'

export const HEADERS: Readonly<Record<string, string>> = { 'content-type': 'application/json' }

export function mapRequest(request: ChatRequest, target: Target): WireRequest {
  refuseForeign(request, target)
  const traits = traitsOf(target.model)
  const sent = new Set<string>()
  const { system, contents } = mapMessages(request.messages, pairToolCalls(request.messages), traits, target)
  if (contents.length === 0) throw invalid('messages', 'has no user message with content; add one.')
  const generationConfig = { ...mapSampling(request, sent), ...mapOutput(request, traits, target, sent) }
  const serviceTier = mapTier(request, sent)
  const body = {
    contents,
    ...(system.length > 0 && { systemInstruction: { parts: system } }),
    ...mapTools(request, target),
    ...(Object.keys(generationConfig).length > 0 && { generationConfig }),
    ...(serviceTier && { serviceTier }),
  }
  const path = `v1beta/${modelPath(target)}:${request.stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`
  return { method: 'POST', path, headers: HEADERS, body, dropped: droppedFields(request, sent) }
}

/** The model stands in the path, where a slash or a question mark in its name would lead elsewhere. */
export function modelPath({ model }: Target): string {
  const name = model.startsWith('models/') ? model.slice('models/'.length) : model
  return `models/${encodeURIComponent(name)}`
}

const SAMPLING = {
  temperature: 'temperature',
  top_p: 'topP',
  frequency_penalty: 'frequencyPenalty',
  presence_penalty: 'presencePenalty',
} as const

function mapSampling(request: ChatRequest, sent: Set<string>): Json {
  const config: Record<string, unknown> = {}
  for (const [field, name] of Object.entries(SAMPLING)) {
    const value = request[field]
    if (value === undefined) continue
    sent.add(field)
    config[name] = value
  }
  if (request.seed !== undefined && Math.trunc(request.seed) === (request.seed | 0)) {
    sent.add('seed')
    config.seed = request.seed
  }
  return config
}

function mapOutput(request: ChatRequest, traits: ModelTraits, target: Target, sent: Set<string>): Json {
  const most = maxTokens(request)
  const stop = stopList(request)
  const thinking = thinkingConfig(request.reasoning_effort, traits.thinking)
  if (thinking) sent.add('reasoning_effort')
  return {
    ...(most !== undefined && { maxOutputTokens: most }),
    ...(stop && { stopSequences: stop }),
    ...((request.n ?? 1) > 1 && { candidateCount: request.n }),
    ...mapLogprobs(request),
    ...mapModalities(request, target),
    ...mapFormat(request, traits, target),
    ...(thinking && { thinkingConfig: thinking }),
  }
}

function mapLogprobs({ logprobs, top_logprobs }: ChatRequest): Json {
  if (!logprobs) return {}
  return { responseLogprobs: true, ...(top_logprobs && { logprobs: top_logprobs }) }
}

function mapModalities({ modalities }: ChatRequest, target: Target): Json {
  if (!modalities || modalities.every((each) => each === 'text')) return {}
  if (modalities.some((each) => each !== 'text' && each !== 'image')) {
    throw unsupported('modalities', target, 'writes text and images here.')
  }
  return { responseModalities: modalities.map((each) => each.toUpperCase()) }
}

function mapFormat({ response_format: format, tools }: ChatRequest, traits: ModelTraits, target: Target): Json {
  if (!format || format.type === 'text') return {}
  if (tools?.length && !traits.toolsWithJson) {
    throw unsupported('response_format', target, 'takes no JSON format together with tools; leave one out.')
  }
  const json = { responseMimeType: 'application/json' }
  if (format.type === 'json_object' || !format.json_schema.schema) return json
  const schema = mapSchema(format.json_schema.schema, 'response_format.json_schema.schema', target)
  return { ...json, responseJsonSchema: schema }
}

const TIERS: ReadonlyMap<string, string> = new Map([
  ['default', 'standard'],
  ['flex', 'flex'],
  ['priority', 'priority'],
])

function mapTier({ service_tier }: ChatRequest, sent: Set<string>): string | undefined {
  const tier = TIERS.get(service_tier ?? '')
  if (tier) sent.add('service_tier')
  return tier
}
