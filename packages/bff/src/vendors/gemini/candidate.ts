import type { Annotation, ChatDelta, FinishReason, ReasoningDetail } from '@llm-ferry/sdk'
import { type Json, list, record, text } from '../shared/json.ts'
import type { Target } from '../vendor.ts'
import { annotations } from './annotations.ts'
import { finishReason } from './finish.ts'
import { callSignature, type Stamp, textSignature, thoughtDetail } from './reasoning.ts'

interface Thought {
  text: string
  signature: string | undefined
  readonly calls: number
  readonly start: number
}

type Call = NonNullable<ChatDelta['tool_calls']>[number]

/** What one candidate has said so far. Takes parts as they come, whole answers and pieces alike. */
export class Candidate {
  readonly index: number
  readonly #answerId: string
  readonly #target: Target
  readonly #details: ReasoningDetail[] = []
  #annotations: Annotation[] = []
  #thought: Thought | undefined
  #text = ''
  #calls = 0
  finished = false

  constructor(index: number, answerId: string, target: Target) {
    this.index = index
    this.#target = target
    this.#answerId = answerId
  }

  /** What the parts add to the message. */
  add(candidate: Json): ChatDelta {
    const delta: ChatDelta = {}
    for (const each of list(record(candidate.content)?.parts)) {
      const part = record(each)
      if (part) this.#add(part, delta)
    }
    if (candidate.citationMetadata || candidate.groundingMetadata)
      this.#annotations = annotations(candidate, this.#text)
    return delta
  }

  /** What is told once, before the finish. */
  last(): ChatDelta {
    this.#closeThought()
    return {
      ...(this.#annotations.length > 0 && { annotations: this.#annotations }),
      ...(this.#details.length > 0 && { reasoning_details: this.#details }),
    }
  }

  finish(candidate: Json): FinishReason {
    this.finished = true
    return finishReason(candidate, this.#calls > 0, this.#target)
  }

  #add(part: Json, delta: ChatDelta): void {
    if (part.thought === true) this.#think(part, delta)
    else this.#addSpoken(part, delta)
  }

  #addSpoken(part: Json, delta: ChatDelta): void {
    this.#closeThought()
    const call = record(part.functionCall)
    if (call) this.#call(call, text(part.thoughtSignature), delta)
    else if (record(part.inlineData)) this.#draw(record(part.inlineData) ?? {}, delta)
    else this.#say(text(part.text) ?? '', text(part.thoughtSignature), delta)
  }

  #think(part: Json, delta: ChatDelta): void {
    const piece = text(part.text) ?? ''
    this.#thought ??= { text: '', signature: undefined, calls: this.#calls, start: this.#text.length }
    this.#thought.text += piece
    this.#thought.signature = text(part.thoughtSignature) ?? this.#thought.signature
    if (piece !== '') delta.reasoning_content = (delta.reasoning_content ?? '') + piece
  }

  #closeThought(): void {
    const thought = this.#thought
    if (!thought) return
    this.#thought = undefined
    const place = { start: thought.start, end: thought.start, calls: thought.calls }
    this.#details.push(thoughtDetail(thought.text, thought.signature, place, this.#stamp()))
  }

  #say(piece: string, signature: string | undefined, delta: ChatDelta): void {
    const start = this.#text.length
    this.#text += piece
    if (piece !== '') delta.content = (delta.content ?? '') + piece
    if (signature === undefined) return
    const place = { start, end: this.#text.length, calls: this.#calls }
    this.#details.push(textSignature(signature, place, this.#stamp()))
  }

  #call(call: Json, signature: string | undefined, delta: ChatDelta): void {
    const index = this.#calls++
    const id = text(call.id) || this.#callId(index)
    const fn = { name: text(call.name) ?? '', arguments: JSON.stringify(call.args ?? {}) }
    const whole: Call = { index, id, type: 'function', function: fn }
    delta.tool_calls = [...(delta.tool_calls ?? []), whole]
    if (signature !== undefined) this.#details.push(callSignature(signature, id, this.#stamp()))
  }

  #stamp(): Stamp {
    return { index: this.#details.length, model: this.#target.model }
  }

  // Unique over answers, since results and kept reasoning are looked up by it.
  #callId(index: number): string {
    return `call_${this.#answerId}_${this.index}_${index}`
  }

  #draw(inline: Json, delta: ChatDelta): void {
    const url = `data:${text(inline.mimeType) ?? 'image/png'};base64,${text(inline.data) ?? ''}`
    delta.images = [...(delta.images ?? []), { type: 'image_url', image_url: { url } }]
  }
}
