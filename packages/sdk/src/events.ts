import type { ImagePart } from './schema/content.ts'
import type { ReasoningDetail, ToolCall } from './schema/message.ts'
import type { Annotation, FinishReason } from './schema/response.ts'
import type { Usage } from './schema/usage.ts'

/** Which of the answers it belongs to, from 0; only requests with `n` have more than one. */
interface OfChoice {
  readonly choice: number
}

/** The answer has begun. The first event of every stream. */
export interface MessageStart {
  readonly type: 'message-start'
  /** The vendor's id of the answer. */
  readonly id: string
  /** Model that answers, in the vendor's name for it. */
  readonly model: string
}

/** The next piece of the text. */
export interface TextDelta extends OfChoice {
  readonly type: 'text-delta'
  readonly text: string
}

/** The next piece of what the model thinks, where it is shown. */
export interface ReasoningDelta extends OfChoice {
  readonly type: 'reasoning-delta'
  readonly text: string
}

/** The model's thoughts as opaque blocks, all of them. They go back unchanged in the next turn. */
export interface ReasoningComplete extends OfChoice {
  readonly type: 'reasoning-complete'
  readonly details: readonly ReasoningDetail[]
}

/** The next piece of why the model declines. */
export interface RefusalDelta extends OfChoice {
  readonly type: 'refusal-delta'
  readonly text: string
}

/** The model begins a tool call. */
export interface ToolCallStart extends OfChoice {
  readonly type: 'tool-call-start'
  /** Which of the calls, from 0. */
  readonly index: number
  readonly id: string
  readonly name: string
}

/** The next piece of a tool call's arguments, which are JSON text. Pieces of several calls may alternate. */
export interface ToolCallDelta extends OfChoice {
  readonly type: 'tool-call-delta'
  readonly index: number
  readonly id: string
  readonly delta: string
}

/** A tool call with all its arguments. Comes when the answer is over: a call that was cut off never gets here. */
export interface ToolCallComplete extends OfChoice {
  readonly type: 'tool-call-complete'
  readonly index: number
  readonly id: string
  readonly name: string
  /** JSON text (free text for a custom tool). Written by a model: check it before use. */
  readonly arguments: string
  /** The call as the message holds it. */
  readonly call: ToolCall
}

/** Images that the model drew (Gemini), as `data:` URLs. */
export interface ImagesAdd extends OfChoice {
  readonly type: 'images-add'
  readonly images: readonly ImagePart[]
}

/** The next piece of what the model speaks (OpenAI): base64 in `data`, its text in `transcript`. */
export interface AudioDelta extends OfChoice {
  readonly type: 'audio-delta'
  readonly audio: Readonly<Record<string, unknown>>
}

/** Where statements of the answer come from. */
export interface AnnotationsAdd extends OfChoice {
  readonly type: 'annotations-add'
  readonly annotations: readonly Annotation[]
}

/** What the call took. Missing when the vendor does not tell. */
export interface UsageUpdate {
  readonly type: 'usage'
  readonly usage: Usage
}

/** The answer is complete: the last event, one for each choice. A stream that breaks off throws and has none. */
export interface Finish extends OfChoice {
  readonly type: 'finish'
  readonly reason: FinishReason
  /** The vendor's own word, where it has another one. */
  readonly nativeReason: string | undefined
}

/**
 * What happens in a streamed answer. Switch on `type`; new kinds may come, so leave a default.
 *
 * @example
 * for await (const event of ferry.chat.stream({ model, messages })) {
 *   if (event.type === 'text-delta') process.stdout.write(event.text)
 * }
 */
export type ChatEvent =
  | MessageStart
  | TextDelta
  | ReasoningDelta
  | ReasoningComplete
  | RefusalDelta
  | ToolCallStart
  | ToolCallDelta
  | ToolCallComplete
  | ImagesAdd
  | AudioDelta
  | AnnotationsAdd
  | UsageUpdate
  | Finish
