import { randomUUID } from 'node:crypto'
import { type ChatCompletion, type ChatCompletionMessage, type ChatDelta, FerryError } from '@llm-ferry/sdk'
import type { ChatCompletionChoice } from '@llm-ferry/sdk/schema'
import { count, type Json, list, nowSeconds, parseAnswer, record, text, truncated } from '../shared/json.ts'
import type { Target } from '../vendor.ts'
import { Candidate } from './candidate.ts'
import { streamError } from './error.ts'
import { type Block, promptBlock } from './finish.ts'
import { mapLogprobs } from './logprobs.ts'
import { mapUsage } from './usage.ts'

export function mapResponse(body: unknown, target: Target): ChatCompletion {
  const answer = parseAnswer(body, target)
  if (record(answer.error)) throw streamError(answer, target)
  const usage = mapUsage(answer.usageMetadata)
  const id = answerId(answer, target)
  return {
    id,
    object: 'chat.completion',
    created: created(answer, target),
    model: text(answer.modelVersion) ?? target.model,
    choices: mapChoices(answer, id, target),
    ...(usage && { usage }),
  }
}

/** The answer's id; servers that speak this dialect may give none, and OpenAI's clients count on one. */
export function answerId(answer: Json, { callId }: Target): string {
  return text(answer.responseId) || (callId ?? randomUUID())
}

function created(answer: Json, { askedAt }: Target): number {
  const time = Date.parse(text(answer.createTime) ?? '')
  return Number.isNaN(time) ? (askedAt ?? nowSeconds()) : Math.floor(time / 1000)
}

function mapChoices(answer: Json, id: string, target: Target): ChatCompletionChoice[] {
  const candidates = list(answer.candidates)
  if (candidates.length > 0) return candidates.map((each, at) => mapChoice(record(each) ?? {}, at, id, target))
  const block = promptBlock(answer)
  if (block) return [blocked(block)]
  throw new FerryError('upstream_invalid', 'The vendor’s answer has no candidates.', { vendor: target.vendor })
}

function mapChoice(raw: Json, at: number, id: string, target: Target): ChatCompletionChoice {
  const index = count(raw.index) ?? at
  const candidate = new Candidate(index, id, target)
  const delta = candidate.add(raw)
  if (text(raw.finishReason) === undefined)
    throw truncated(target, 'The vendor’s answer has no finishReason: it was cut.')
  return {
    index,
    message: message({ ...delta, ...candidate.last() }),
    finish_reason: candidate.finish(raw),
    logprobs: mapLogprobs(raw.logprobsResult),
    native_finish_reason: text(raw.finishReason) ?? null,
  }
}

function message({ content, tool_calls, ...rest }: ChatDelta): ChatCompletionMessage {
  const calls = tool_calls?.map(({ id, function: fn }) => ({
    id: id ?? '',
    type: 'function' as const,
    function: { name: fn?.name ?? '', arguments: fn?.arguments ?? '' },
  }))
  return { ...rest, role: 'assistant', content: content ?? null, refusal: null, ...(calls && { tool_calls: calls }) }
}

function blocked({ native, refusal }: Block): ChatCompletionChoice {
  const declined: ChatCompletionMessage = { role: 'assistant', content: null, refusal }
  return { index: 0, message: declined, finish_reason: 'content_filter', logprobs: null, native_finish_reason: native }
}
