import type { ReasoningDetail } from '@llm-ferry/sdk'
import { count, type Json } from '../shared/json.ts'

const FORMAT = 'anthropic.messages.v1'

/** Where a block stood: after so much text and so many tool calls of its message. */
export interface Place {
  readonly text: number
  readonly calls: number
}

export function thinkingDetail(thinking: string, signature: string, index: number, place: Place): ReasoningDetail {
  return { type: 'reasoning.text', text: thinking, signature, format: FORMAT, index, ...at(place) }
}

export function redactedDetail(data: string, index: number, place: Place): ReasoningDetail {
  return { type: 'reasoning.encrypted', data, format: FORMAT, index, ...at(place) }
}

// Nearly all thinking comes first; the place is told only for what is interleaved.
function at({ text, calls }: Place): { after_text?: number; after_calls?: number } {
  return { ...(text > 0 && { after_text: text }), ...(calls > 0 && { after_calls: calls }) }
}

export function isOwn(detail: ReasoningDetail): boolean {
  return detail.format === FORMAT
}

/** A block as the vendor wants it back, with its place. */
export function blockOf(detail: ReasoningDetail): { block: Json; place: Place } {
  const block =
    detail.data === undefined
      ? { type: 'thinking', thinking: detail.text ?? '', signature: detail.signature ?? '' }
      : { type: 'redacted_thinking', data: detail.data }
  return { block, place: { text: count(detail.after_text) ?? 0, calls: count(detail.after_calls) ?? 0 } }
}
