import { FerryError, type FinishReason } from '@llm-ferry/sdk'
import { type Json, record, text } from '../shared/json.ts'
import type { Target } from '../vendor.ts'

const REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['STOP', 'stop'],
  ['MAX_TOKENS', 'length'],
  ['CONTINUATION', 'length'],
  ['SAFETY', 'content_filter'],
  ['RECITATION', 'content_filter'],
  ['LANGUAGE', 'content_filter'],
  ['BLOCKLIST', 'content_filter'],
  ['PROHIBITED_CONTENT', 'content_filter'],
  ['SPII', 'content_filter'],
  ['IMAGE_SAFETY', 'content_filter'],
  ['IMAGE_PROHIBITED_CONTENT', 'content_filter'],
  ['IMAGE_RECITATION', 'content_filter'],
])

/**
 * The unified reason. What is neither an end, a limit nor a filter (a broken function call, an unknown reason) is the
 * vendor's failure: what was written is not the answer, so it throws.
 */
export function finishReason(candidate: Json, called: boolean, target: Target): FinishReason {
  const native = text(candidate.finishReason) ?? ''
  const reason = REASONS.get(native)
  if (reason) return reason === 'stop' && called ? 'tool_calls' : reason
  const detail = text(candidate.finishMessage)
  const message = `The vendor stopped before the answer was complete (${native})${detail ? `: ${detail}` : '.'}`
  throw new FerryError('vendor_error', message, { vendor: target.vendor, vendorCode: native })
}

/** Why the vendor's filter would not read the prompt. */
export interface Block {
  readonly native: string
  readonly refusal: string
}

export function promptBlock(answer: Json): Block | undefined {
  const feedback = record(answer.promptFeedback)
  const native = text(feedback?.blockReason)
  if (native === undefined) return undefined
  return { native, refusal: text(feedback?.blockReasonMessage) ?? `The prompt was blocked (${native}).` }
}
