import { type ChatCompletion, FerryError } from '@llm-ferry/sdk'
import { type Json, list, parseAnswer, record, truncated } from '../shared/json.ts'
import type { Target } from '../vendor.ts'
import { streamError } from './error.ts'
import { finishReason, isPlain } from './finish.ts'
import { mapUsage } from './usage.ts'

export function mapResponse(body: unknown, target: Target): ChatCompletion {
  const answer = parseAnswer(body, target)
  if (record(answer.error)) throw streamError(answer, target)
  const choices = list(answer.choices)
  if (choices.length === 0) {
    throw new FerryError('upstream_invalid', 'The vendor’s answer has no choices.', { vendor: target.vendor })
  }
  const mapped = { ...answer, choices: choices.map((choice) => mapChoice(record(choice) ?? {}, target)) }
  return { ...mapped, usage: mapUsage(answer.usage) } as unknown as ChatCompletion
}

function mapChoice(choice: Json, target: Target): Json {
  const message = record(choice.message)
  const reason = choice.finish_reason
  if (!message || reason === null || reason === undefined || reason === '') {
    throw truncated(target, 'The vendor’s answer has no finish_reason: it was cut.')
  }
  const native = isPlain(reason)
    ? { finish_reason: reason }
    : { finish_reason: finishReason(String(reason), target), native_finish_reason: reason }
  return { ...choice, message: mapMessage(message), ...native }
}

function mapMessage(message: Json): Json {
  const { reasoning, ...rest } = message
  const shown = message.reasoning_content ?? reasoning
  const details = list(message.reasoning_details)
  return {
    ...rest,
    content: message.content ?? null,
    refusal: message.refusal ?? null,
    ...(shown !== undefined && { reasoning_content: shown }),
    ...(details.length > 0 && { reasoning_details: details.map((detail, index) => ({ index, ...record(detail) })) }),
  }
}
