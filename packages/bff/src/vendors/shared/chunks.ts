import type { ChatChunk, ChatDelta, FinishReason, Usage } from '@llm-ferry/sdk'
import type { ChatChunkChoice } from '@llm-ferry/sdk/schema'
import { nowSeconds } from './json.ts'

export interface Head {
  id: string
  model: string
  service_tier?: string | undefined
}

/** Writes chunks of one answer, all with the same head. */
export class ChunkWriter {
  readonly #head: Head
  readonly #created: number

  /** @param created in seconds since 1970. Default: now. */
  constructor(head: Head, created: number = nowSeconds()) {
    this.#head = head
    this.#created = created
  }

  delta(index: number, delta: ChatDelta): ChatChunk {
    return this.#chunk([{ index, delta, finish_reason: null }])
  }

  finish(index: number, reason: FinishReason, more: Partial<ChatChunkChoice> = {}): ChatChunk {
    return this.#chunk([{ index, delta: {}, finish_reason: reason, ...more }])
  }

  usage(usage: Usage): ChatChunk {
    return { ...this.#chunk([]), usage }
  }

  #chunk(choices: ChatChunkChoice[]): ChatChunk {
    const { id, model, service_tier } = this.#head
    const chunk: ChatChunk = { id, object: 'chat.completion.chunk', created: this.#created, model, choices }
    if (service_tier !== undefined) chunk.service_tier = service_tier
    return chunk
  }
}
