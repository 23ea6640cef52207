import type { ChatChunk, ChatRequest, Usage } from '@llm-ferry/sdk'
import { ChunkWriter } from '../shared/chunks.ts'
import { count, type Json, list, parseEvent, record, text, truncated } from '../shared/json.ts'
import type { StreamMapper, Target, WireEvent } from '../vendor.ts'
import { Candidate } from './candidate.ts'
import { streamError } from './error.ts'
import { type Block, promptBlock } from './finish.ts'
import { mapLogprobs } from './logprobs.ts'
import { answerId } from './response.ts'
import { mapUsage } from './usage.ts'

/** Every event is a whole answer with some of its parts; usage is a running total. */
export class GeminiStream implements StreamMapper {
  readonly verbatim = false
  readonly #target: Target
  readonly #expected: number
  readonly #candidates = new Map<number, Candidate>()
  #id = ''
  #write: ChunkWriter | undefined
  #rawUsage: unknown
  #blocked = false

  constructor(request: ChatRequest, target: Target) {
    this.#target = target
    this.#expected = request.n ?? 1
  }

  event({ data }: WireEvent): ChatChunk[] {
    const event = parseEvent(data, this.#target)
    if (event.error !== undefined) throw streamError(event, this.#target)
    this.#rawUsage = event.usageMetadata ?? this.#rawUsage
    this.#id ||= answerId(event, this.#target)
    const write = this.#writer(event)
    const candidates = list(event.candidates)
    const block = candidates.length === 0 ? promptBlock(event) : undefined
    if (block) return this.#block(write, block)
    return candidates.flatMap((each, at) => this.#candidate(write, record(each) ?? {}, at))
  }

  end(): ChatChunk[] {
    if (!this.#blocked && this.#candidates.size < this.#expected) throw truncated(this.#target)
    for (const candidate of this.#candidates.values()) if (!candidate.finished) throw truncated(this.#target)
    const usage = this.usage()
    return usage && this.#write ? [this.#write.usage(usage)] : []
  }

  usage(): Usage | undefined {
    return mapUsage(this.#rawUsage)
  }

  #writer(event: Json): ChunkWriter {
    this.#write ??= new ChunkWriter(
      { id: this.#id, model: text(event.modelVersion) ?? this.#target.model },
      this.#target.askedAt,
    )
    return this.#write
  }

  #candidate(write: ChunkWriter, raw: Json, at: number): ChatChunk[] {
    const index = count(raw.index) ?? at
    const known = this.#candidates.get(index)
    const candidate = known ?? new Candidate(index, this.#id, this.#target)
    if (!known) this.#candidates.set(index, candidate)
    const delta = candidate.add(raw)
    if (!known) delta.role = 'assistant'
    const logprobs = mapLogprobs(raw.logprobsResult)
    const chunks = Object.keys(delta).length > 0 || logprobs ? [write.delta(index, delta)] : []
    if (logprobs && chunks[0]?.choices[0]) chunks[0].choices[0].logprobs = logprobs
    const finished = text(raw.finishReason) !== undefined && !candidate.finished
    return finished ? [...chunks, ...this.#finish(write, candidate, raw)] : chunks
  }

  #finish(write: ChunkWriter, candidate: Candidate, raw: Json): ChatChunk[] {
    const reason = candidate.finish(raw)
    const last = candidate.last()
    return [
      ...(Object.keys(last).length > 0 ? [write.delta(candidate.index, last)] : []),
      write.finish(candidate.index, reason, { native_finish_reason: text(raw.finishReason) ?? null }),
    ]
  }

  #block(write: ChunkWriter, { native, refusal }: Block): ChatChunk[] {
    this.#blocked = true
    return [
      write.delta(0, { role: 'assistant', refusal }),
      write.finish(0, 'content_filter', { native_finish_reason: native }),
    ]
  }
}
