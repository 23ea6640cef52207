import type { ReasoningDetail } from '@llm-ferry/sdk'
import { count, type Json } from '../shared/json.ts'
import type { Target } from '../vendor.ts'

const FORMAT = 'gemini.parts.v1'

// Stands for a signature that the client lost or that another vendor never made; Google documents it for that.
export const NO_SIGNATURE = 'skip_thought_signature_validator'

/** Where a part stood: the text it covered, and after how many calls. */
export interface Place {
  readonly start: number
  readonly end: number
  readonly calls: number
}

/** Which piece of the answer it is, and which model made it. */
export interface Stamp {
  readonly index: number
  readonly model: string
}

export function thoughtDetail(
  thought: string,
  signature: string | undefined,
  place: Place,
  stamp: Stamp,
): ReasoningDetail {
  const signed = signature === undefined ? {} : { signature }
  return { type: 'reasoning.text', text: thought, ...signed, format: FORMAT, ...stamp, ...at(place) }
}

export function textSignature(data: string, place: Place, stamp: Stamp): ReasoningDetail {
  return { type: 'reasoning.encrypted', data, format: FORMAT, ...stamp, text_end: place.end, ...at(place) }
}

export function callSignature(data: string, id: string, stamp: Stamp): ReasoningDetail {
  return { type: 'reasoning.encrypted', data, format: FORMAT, ...stamp, id }
}

function at({ start, calls }: Place): { text_start?: number; after_calls?: number } {
  return { ...(start > 0 && { text_start: start }), ...(calls > 0 && { after_calls: calls }) }
}

/** Whether the target made it: a signature holds for the model that wrote it. */
export function isOwn(detail: ReasoningDetail, target: Target): boolean {
  return detail.format === FORMAT && (detail.model === undefined || detail.model === target.model)
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
