import type { FinishReason } from '@llm-ferry/sdk'
import { type Json, record, text } from '../shared/json.ts'

const REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['pause_turn', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
])

/** How an answer ended. */
export interface Finish {
  readonly reason: FinishReason
  readonly native: string
  readonly stopSequence: string | undefined
  /** What the vendor says of a refusal. */
  readonly refusal: string | undefined
}

/** `undefined`: the message has not ended. */
export function mapFinish(message: Json): Finish | undefined {
  const native = text(message.stop_reason)
  if (native === undefined) return undefined
  const details = record(message.stop_details)
  const declined = native === 'refusal'
  return {
    reason: REASONS.get(native) ?? 'stop',
    native,
    stopSequence: text(message.stop_sequence),
    refusal: declined ? (text(details?.explanation) ?? text(details?.category) ?? 'The model declined.') : undefined,
  }
}

/** The fields of a choice that tell the finish. */
export function finishFields(finish: Finish): { native_finish_reason: string; stop_sequence?: string } {
  const native_finish_reason = finish.native
  return finish.stopSequence === undefined
    ? { native_finish_reason }
    : { native_finish_reason, stop_sequence: finish.stopSequence }
}
