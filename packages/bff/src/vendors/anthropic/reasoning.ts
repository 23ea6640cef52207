import type { ReasoningDetail } from '@llm-ferry/sdk'
import { count, type Json } from '../shared/json.ts'
import type { Target } from '../vendor.ts'

const FORMAT = 'anthropic.messages.v1'

/** Where a block stood: after so much text and so many tool calls of its message. */
export interface Place {
  readonly text: number
  readonly calls: number
}

/** Which block of the answer it is, and which model made it. */
export interface Stamp {
  readonly index: number
  readonly model: string
}

export function thinkingDetail(thinking: string, signature: string, place: Place, stamp: Stamp): ReasoningDetail {
  return { type: 'reasoning.text', text: thinking, signature, format: FORMAT, ...stamp, ...at(place) }
}

export function redactedDetail(data: string, place: Place, stamp: Stamp): ReasoningDetail {
  return { type: 'reasoning.encrypted', data, format: FORMAT, ...stamp, ...at(place) }
}

// Nearly all thinking comes first; the place is told only for what is interleaved.
function at({ text, calls }: Place): { after_text?: number; after_calls?: number } {
  return { ...(text > 0 && { after_text: text }), ...(calls > 0 && { after_calls: calls }) }
}

/**
 * Whether the target made the block. A signature holds for the model that wrote it: another model, after a fallback or
 * a change of mind, answers 400.
 */
export function isOwn(detail: ReasoningDetail, target: Target): boolean {
  return detail.format === FORMAT && (detail.model === undefined || detail.model === target.model)
}

/** A block as the vendor wants it back, with its place. */
export function blockOf(detail: ReasoningDetail): { block: Json; place: Place } {
  const block =
    detail.data === undefined
      ? { type: 'thinking', thinking: detail.text ?? '', signature: detail.signature ?? '' }
      : { type: 'redacted_thinking', data: detail.data }
  return { block, place: { text: count(detail.after_text) ?? 0, calls: count(detail.after_calls) ?? 0 } }
}
