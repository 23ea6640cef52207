import type { ChatEvent } from './events.ts'
import { getOrMake } from './maps.ts'
import type { ImagePart } from './schema/content.ts'
import type { ReasoningDetail } from './schema/message.ts'
import type {
  Annotation,
  ChatChunkChoice,
  ChatCompletionChoice,
  ChatDelta,
  FinishReason,
  Logprobs,
} from './schema/response.ts'
import { ToolCallFold } from './tool-call-fold.ts'

/** Folds the chunks of one choice. */
export class ChoiceFold {
  readonly index: number
  readonly #calls = new Map<number, ToolCallFold>()
  readonly #details: ReasoningDetail[] = []
  readonly #annotations: Annotation[] = []
  readonly #images: ImagePart[] = []
  #text: string | undefined
  #refusal: string | undefined
  #reasoning: string | undefined
  #audio: Record<string, unknown> | undefined
  #logprobs: Logprobs | undefined
  #reason: FinishReason = 'stop'
  #finish: Pick<ChatCompletionChoice, 'native_finish_reason' | 'stop_sequence'> = {}

  constructor(index: number) {
    this.index = index
  }

  get text(): string {
    return this.#text ?? ''
  }

  push(choice: ChatChunkChoice, events: ChatEvent[]): void {
    const { delta, logprobs, finish_reason } = choice
    if (delta) this.#delta(delta, events)
    if (logprobs) this.#logprobs = joined(this.#logprobs, logprobs)
    if (!finish_reason) return
    this.#reason = finish_reason
    const { native_finish_reason, stop_sequence } = choice
    this.#finish = {
      ...(native_finish_reason === undefined ? {} : { native_finish_reason }),
      ...(stop_sequence === undefined ? {} : { stop_sequence }),
    }
  }

  finish(events: ChatEvent[]): void {
    for (const call of this.#calls.values()) call.finish(events)
    const nativeReason = this.#finish.native_finish_reason ?? undefined
    events.push({ type: 'finish', choice: this.index, reason: this.#reason, nativeReason })
  }

  value(): ChatCompletionChoice {
    return {
      index: this.index,
      message: {
        role: 'assistant',
        content: this.#text ?? null,
        refusal: this.#refusal ?? null,
        ...(this.#calls.size > 0 && { tool_calls: [...this.#calls.values()].map((call) => call.value()) }),
        ...(this.#reasoning !== undefined && { reasoning_content: this.#reasoning }),
        ...(this.#details.length > 0 && { reasoning_details: this.#details }),
        ...(this.#annotations.length > 0 && { annotations: this.#annotations }),
        ...(this.#images.length > 0 && { images: this.#images }),
        ...(this.#audio && { audio: this.#audio }),
      },
      finish_reason: this.#reason,
      logprobs: this.#logprobs ?? null,
      ...this.#finish,
    }
  }

  #delta(delta: ChatDelta, events: ChatEvent[]): void {
    const { index: choice } = this
    if (delta.content) {
      this.#text = (this.#text ?? '') + delta.content
      events.push({ type: 'text-delta', choice, text: delta.content })
    }
    if (delta.reasoning_content) {
      this.#reasoning = (this.#reasoning ?? '') + delta.reasoning_content
      events.push({ type: 'reasoning-delta', choice, text: delta.reasoning_content })
    }
    if (delta.refusal) {
      this.#refusal = (this.#refusal ?? '') + delta.refusal
      events.push({ type: 'refusal-delta', choice, text: delta.refusal })
    }
    for (const piece of delta.tool_calls ?? []) this.#call(piece.index).push(piece, events)
    this.#rare(delta, events)
  }

  #rare({ reasoning_details, images, annotations, audio }: ChatDelta, events: ChatEvent[]): void {
    const { index: choice } = this
    if (reasoning_details?.length) {
      this.#details.push(...reasoning_details)
      events.push({ type: 'reasoning-complete', choice, details: reasoning_details })
    }
    if (images?.length) {
      this.#images.push(...images)
      events.push({ type: 'images-add', choice, images })
    }
    if (annotations?.length) {
      this.#annotations.push(...annotations)
      events.push({ type: 'annotations-add', choice, annotations })
    }
    if (audio) {
      this.#audio = joinedAudio(this.#audio, audio)
      events.push({ type: 'audio-delta', choice, audio })
    }
  }

  #call(index: number): ToolCallFold {
    return getOrMake(this.#calls, index, () => new ToolCallFold(this.index, index))
  }
}

function joined(before: Logprobs | undefined, next: Logprobs): Logprobs {
  if (!before) return next
  const join = <T>(a: T[] | null, b: T[] | null) => (a && b ? [...a, ...b] : (a ?? b))
  return { content: join(before.content, next.content), refusal: join(before.refusal, next.refusal) }
}

// OpenAI sends `data` and `transcript` in pieces, `id` and `expires_at` once.
function joinedAudio(before: Record<string, unknown> = {}, next: Record<string, unknown>): Record<string, unknown> {
  const joinedFields = { ...before, ...next }
  for (const field of ['data', 'transcript']) {
    const [a, b] = [before[field], next[field]]
    if (typeof a === 'string' && typeof b === 'string') joinedFields[field] = a + b
  }
  return joinedFields
}
