import type { ReasoningDetail } from '@llm-ferry/sdk'
import { count, type Json } from '../shared/json.ts'

const FORMAT = 'gemini.parts.v1'

// Stands for a signature that the client lost or that another vendor never made; Google documents it for that.
export const NO_SIGNATURE = 'skip_thought_signature_validator'

/** Where a part stood: the text it covered, and after how many calls. */
export interface Place {
  readonly start: number
  readonly end: number
  readonly calls: number
}

export function thoughtDetail(
  thought: string,
  signature: string | undefined,
  index: number,
  place: Place,
): ReasoningDetail {
  const signed = signature === undefined ? {} : { signature }
  return { type: 'reasoning.text', text: thought, ...signed, format: FORMAT, index, ...at(place) }
}

export function textSignature(data: string, index: number, place: Place): ReasoningDetail {
  return { type: 'reasoning.encrypted', data, format: FORMAT, index, text_end: place.end, ...at(place) }
}

export function callSignature(data: string, index: number, id: string): ReasoningDetail {
  return { type: 'reasoning.encrypted', data, format: FORMAT, index, id }
}

function at({ start, calls }: Place): { text_start?: number; after_calls?: number } {
  return { ...(start > 0 && { text_start: start }), ...(calls > 0 && { after_calls: calls }) }
}

export function isOwn(detail: ReasoningDetail): boolean {
  return detail.format === FORMAT
}

/** A detail as the part, or the mark on a part, that it was. */
export type Mark =
  | { readonly kind: 'thought'; readonly part: Json; readonly place: Place }
  | { readonly kind: 'text'; readonly signature: string; readonly place: Place }
  | { readonly kind: 'call'; readonly signature: string; readonly id: string }

export function markOf(detail: ReasoningDetail): Mark {
  const start = count(detail.text_start) ?? 0
  const place = { start, end: count(detail.text_end) ?? start, calls: count(detail.after_calls) ?? 0 }
  if (detail.data === undefined) {
    const signed = detail.signature === undefined ? {} : { thoughtSignature: detail.signature }
    return { kind: 'thought', part: { text: detail.text ?? '', thought: true, ...signed }, place }
  }
  if (detail.id !== undefined) return { kind: 'call', signature: detail.data, id: detail.id }
  return { kind: 'text', signature: detail.data, place }
}
