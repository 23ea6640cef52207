import type { Annotation, ChatChunk, ReasoningDetail, Usage } from '@llm-ferry/sdk'
import { ChunkWriter } from '../shared/chunks.ts'
import { type Json, list, parseEvent, record, text, truncated } from '../shared/json.ts'
import type { StreamMapper, Target, WireEvent } from '../vendor.ts'
import { annotations } from './citations.ts'
import { streamError } from './error.ts'
import { type Finish, finishFields, mapFinish } from './finish.ts'
import { type Place, redactedDetail, type Stamp, thinkingDetail } from './reasoning.ts'
import { mapUsage, mergeUsage } from './usage.ts'

/** A content block while it arrives. Several may be open at once. */
type OpenBlock =
  | { readonly kind: 'text'; readonly start: number; readonly citations: unknown[] }
  | { readonly kind: 'thinking'; readonly place: Place; thinking: string; signature: string }
  | { readonly kind: 'tool'; readonly index: number; readonly input: unknown; written: boolean }
  | { readonly kind: 'other' }

export class AnthropicStream implements StreamMapper {
  readonly verbatim = false
  readonly #target: Target
  readonly #blocks = new Map<unknown, OpenBlock>()
  readonly #details: ReasoningDetail[] = []
  readonly #annotations: Annotation[] = []
  #write: ChunkWriter
  #rawUsage: Json = {}
  #finish: Finish | undefined
  #textLength = 0
  #calls = 0
  #stopped = false

  constructor(target: Target) {
    this.#target = target
    this.#write = new ChunkWriter({ id: '', model: target.model }, target.askedAt)
  }

  event({ data }: WireEvent): ChatChunk[] {
    const event = parseEvent(data, this.#target)
    switch (event.type) {
      case 'content_block_delta':
        return this.#onDelta(event.index, record(event.delta) ?? {})
      case 'message_start':
        return this.#onStart(record(event.message) ?? {})
      case 'content_block_start':
        return this.#onBlock(event.index, record(event.content_block) ?? {})
      case 'content_block_stop':
        return this.#onBlockStop(event.index)
      case 'message_delta':
        return this.#onMessageDelta(record(event.delta) ?? {}, event.usage)
      case 'message_stop':
        return this.#onStop()
      case 'error':
        throw streamError(event, this.#target)
      default:
        return []
    }
  }

  end(): ChatChunk[] {
    if (!this.#stopped) throw truncated(this.#target)
    return []
  }

  usage(): Usage | undefined {
    return mapUsage(this.#rawUsage)
  }

  #onStart(message: Json): ChatChunk[] {
    this.#rawUsage = mergeUsage({}, message.usage)
    const head = { id: text(message.id) ?? '', model: text(message.model) ?? this.#target.model }
    const tier = text(this.#rawUsage.service_tier)
    this.#write = new ChunkWriter({ ...head, service_tier: tier }, this.#target.askedAt)
    return [this.#write.delta(0, { role: 'assistant' })]
  }

  #onBlock(index: unknown, block: Json): ChatChunk[] {
    switch (block.type) {
      case 'text':
        this.#blocks.set(index, { kind: 'text', start: this.#textLength, citations: [...list(block.citations)] })
        return this.#say(text(block.text) ?? '')
      case 'thinking':
        return this.#onThinking(index, text(block.thinking) ?? '', text(block.signature) ?? '')
      case 'redacted_thinking':
        this.#details.push(redactedDetail(text(block.data) ?? '', this.#place(), this.#stamp()))
        return []
      case 'tool_use':
        return this.#onTool(index, block)
      default:
        return []
    }
  }

  #onThinking(index: unknown, thinking: string, signature: string): ChatChunk[] {
    this.#blocks.set(index, { kind: 'thinking', place: this.#place(), thinking, signature })
    return thinking === '' ? [] : [this.#write.delta(0, { reasoning_content: thinking })]
  }

  #onTool(index: unknown, block: Json): ChatChunk[] {
    const call = this.#calls++
    this.#blocks.set(index, { kind: 'tool', index: call, input: block.input, written: false })
    const fn = { name: text(block.name) ?? '', arguments: '' }
    const first = { index: call, id: text(block.id) ?? '', type: 'function' as const, function: fn }
    return [this.#write.delta(0, { tool_calls: [first] })]
  }

  #onDelta(index: unknown, delta: Json): ChatChunk[] {
    const block = this.#blocks.get(index)
    switch (delta.type) {
      case 'text_delta':
        return this.#say(text(delta.text) ?? '')
      case 'input_json_delta':
        return block?.kind === 'tool' ? this.#argue(block, text(delta.partial_json) ?? '') : []
      case 'thinking_delta':
        return block?.kind === 'thinking' ? this.#think(block, text(delta.thinking) ?? '') : []
      case 'signature_delta':
        if (block?.kind === 'thinking') block.signature += text(delta.signature) ?? ''
        return []
      case 'citations_delta':
        if (block?.kind === 'text') block.citations.push(delta.citation)
        return []
      default:
        return []
    }
  }

  #say(content: string): ChatChunk[] {
    if (content === '') return []
    this.#textLength += content.length
    return [this.#write.delta(0, { content })]
  }

  #think(block: Extract<OpenBlock, { kind: 'thinking' }>, thinking: string): ChatChunk[] {
    if (thinking === '') return []
    block.thinking += thinking
    return [this.#write.delta(0, { reasoning_content: thinking })]
  }

  #argue(block: Extract<OpenBlock, { kind: 'tool' }>, piece: string): ChatChunk[] {
    if (piece === '') return []
    block.written = true
    return [this.#write.delta(0, { tool_calls: [{ index: block.index, function: { arguments: piece } }] })]
  }

  #onBlockStop(index: unknown): ChatChunk[] {
    const block = this.#blocks.get(index)
    this.#blocks.delete(index)
    if (block?.kind === 'thinking') {
      this.#details.push(thinkingDetail(block.thinking, block.signature, block.place, this.#stamp()))
    }
    if (block?.kind === 'text') this.#annotations.push(...annotations(block.citations, block.start, this.#textLength))
    // A call without arguments is `{}` at OpenAI, and clients parse what they gathered.
    const silent = block?.kind === 'tool' && !block.written
    return silent ? this.#argue(block, JSON.stringify(block.input ?? {})) : []
  }

  #onMessageDelta(delta: Json, usage: unknown): ChatChunk[] {
    this.#rawUsage = mergeUsage(this.#rawUsage, usage)
    this.#finish = mapFinish(delta) ?? this.#finish
    return []
  }

  // The finish is told only now: what ends before `message_stop` was cut, and must not have looked complete.
  #onStop(): ChatChunk[] {
    const finish = this.#finish
    if (!finish) throw truncated(this.#target)
    this.#stopped = true
    const usage = this.usage()
    return [
      ...this.#lastDelta(finish),
      this.#write.finish(0, finish.reason, finishFields(finish)),
      ...(usage ? [this.#write.usage(usage)] : []),
    ]
  }

  #lastDelta({ refusal }: Finish): ChatChunk[] {
    const delta = {
      ...(refusal !== undefined && { refusal }),
      ...(this.#annotations.length > 0 && { annotations: this.#annotations }),
      ...(this.#details.length > 0 && { reasoning_details: this.#details }),
    }
    return Object.keys(delta).length === 0 ? [] : [this.#write.delta(0, delta)]
  }

  #stamp(): Stamp {
    return { index: this.#details.length, model: this.#target.model }
  }

  #place(): Place {
    return { text: this.#textLength, calls: this.#calls }
  }
}
