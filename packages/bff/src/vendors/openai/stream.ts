import { type ChatChunk, type ChatRequest, FerryError, type Usage } from '@llm-ferry/sdk'
import { type Json, list, parseEvent, record, truncated } from '../shared/json.ts'
import type { StreamMapper, Target, WireEvent } from '../vendor.ts'
import { streamError } from './error.ts'
import { finishReason, isPlain } from './finish.ts'
import { ReasoningCollector } from './reasoning.ts'
import { mapUsage } from './usage.ts'

type Loose = Record<string, unknown>

/** Passes chunks on; looks only for the end, for usage, and for what vendors of this dialect do differently. */
export class OpenAiStream implements StreamMapper {
  verbatim = false
  readonly #target: Target
  readonly #expected: number
  /** Choice index → whether it has finished. */
  readonly #choices = new Map<unknown, boolean>()
  readonly #reasoning = new Map<unknown, ReasoningCollector>()
  #usage: Usage | undefined
  #done = false

  constructor(request: ChatRequest, target: Target) {
    this.#target = target
    this.#expected = request.n ?? 1
  }

  event(event: WireEvent): ChatChunk[] {
    this.verbatim = false
    if (event.data === '[DONE]') {
      this.#done = true
      return []
    }
    const chunk = parseEvent(event.data, this.#target) as Loose
    if (chunk.error !== undefined && chunk.error !== null) throw streamError(chunk, this.#target)
    this.verbatim = true
    if (chunk.usage) this.#meter(chunk)
    if (!Array.isArray(chunk.choices)) return []
    for (const choice of chunk.choices) this.#choice(this.#checked(choice))
    return [chunk as unknown as ChatChunk]
  }

  end(): ChatChunk[] {
    const enough = this.#done ? 1 : this.#expected
    if (this.#choices.size < enough) throw truncated(this.#target)
    for (const finished of this.#choices.values()) if (!finished) throw truncated(this.#target)
    return []
  }

  usage(): Usage | undefined {
    return this.#usage
  }

  #meter(chunk: Loose): void {
    const usage = mapUsage(chunk.usage)
    this.#usage = usage ?? this.#usage
    if (usage === chunk.usage) return
    chunk.usage = usage
    this.verbatim = false
  }

  #checked(choice: unknown): Loose {
    const checked = record(choice)
    if (checked) return checked as Loose
    throw new FerryError('upstream_invalid', 'The vendor sent a choice that is no object.', {
      vendor: this.#target.vendor,
    })
  }

  #choice(choice: Loose): void {
    const delta = record(choice.delta) as Loose | undefined
    if (delta) this.#delta(choice.index, delta)
    const finished = this.#finish(choice)
    if (!finished && this.#choices.has(choice.index)) return
    this.#choices.set(choice.index, finished || this.#choices.get(choice.index) === true)
  }

  #delta(index: unknown, delta: Loose): void {
    if (delta.reasoning !== undefined) this.#renameReasoning(delta)
    if (delta.reasoning_details !== undefined) this.#collect(index, delta)
    if (delta.tool_calls !== undefined) this.#indexCalls(delta)
  }

  /** Newer vLLM and OpenRouter call it `reasoning`. */
  #renameReasoning(delta: Loose): void {
    delta.reasoning_content ??= delta.reasoning
    delta.reasoning = undefined
    this.verbatim = false
  }

  #collect(index: unknown, delta: Loose): void {
    const collector = this.#reasoning.get(index) ?? new ReasoningCollector()
    this.#reasoning.set(index, collector)
    collector.add(delta.reasoning_details)
    delta.reasoning_details = undefined
    this.verbatim = false
  }

  /** Some vendors send whole calls, without the index that clients gather pieces by. */
  #indexCalls(delta: Loose): void {
    list(delta.tool_calls).forEach((each, at) => {
      const call = record(each) as Loose | undefined
      if (!call || typeof call.index === 'number') return
      call.index = at
      this.verbatim = false
    })
  }

  #finish(choice: Loose): boolean {
    const reason = choice.finish_reason
    if (!isPlain(reason)) this.#translate(choice, typeof reason === 'string' ? reason : '')
    const finished = choice.finish_reason !== null
    const collector = finished ? this.#reasoning.get(choice.index) : undefined
    if (collector) this.#release(choice, collector)
    return finished
  }

  #translate(choice: Loose, reason: string): void {
    choice.finish_reason = finishReason(reason, this.#target)
    if (reason !== '') choice.native_finish_reason = reason
    this.verbatim = false
  }

  #release(choice: Loose, collector: ReasoningCollector): void {
    const details = collector.take()
    if (details.length > 0) choice.delta = { ...(choice.delta as Json | undefined), reasoning_details: details }
  }
}
