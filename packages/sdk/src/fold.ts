import { ChoiceFold } from './choice-fold.ts'
import type { ChatEvent } from './events.ts'
import { getOrMake } from './maps.ts'
import type { ChatChunk, ChatCompletion } from './schema/response.ts'
import type { Usage } from './schema/usage.ts'

/** The whole answer that a stream’s chunks make together. Whether they are all there is, nobody can tell from them. */
export function completionOf(chunks: readonly ChatChunk[]): ChatCompletion {
  const fold = new ChatFold()
  for (const chunk of chunks) fold.push(chunk, [])
  return fold.completion()
}

/** Folds chunks into events, and into the answer that they make together. */
export class ChatFold {
  readonly #choices = new Map<number, ChoiceFold>()
  #head: ChatChunk | undefined
  #usage: Usage | undefined

  /** What the chunk says, appended to `events`. */
  push(chunk: ChatChunk, events: ChatEvent[]): void {
    if (!this.#head) {
      this.#head = chunk
      events.push({ type: 'message-start', id: chunk.id, model: chunk.model })
    }
    for (const choice of chunk.choices ?? []) this.#choice(choice.index).push(choice, events)
    if (chunk.usage) {
      this.#usage = chunk.usage
      events.push({ type: 'usage', usage: chunk.usage })
    }
  }

  /** The stream has come to its own end. */
  finish(events: ChatEvent[]): void {
    for (const choice of this.#choices.values()) choice.finish(events)
  }

  /** The text so far, of the first choice. */
  get text(): string {
    return this.#choices.get(0)?.text ?? ''
  }

  /** The whole answer. */
  completion(): ChatCompletion {
    const { id = '', created = 0, model = '', service_tier, system_fingerprint } = this.#head ?? {}
    const choices = [...this.#choices.values()].sort((a, b) => a.index - b.index)
    return {
      id,
      object: 'chat.completion',
      created,
      model,
      choices: choices.map((choice) => choice.value()),
      ...(service_tier === undefined ? {} : { service_tier }),
      ...(system_fingerprint === undefined ? {} : { system_fingerprint }),
      ...(this.#usage && { usage: this.#usage }),
    }
  }

  #choice(index: number): ChoiceFold {
    return getOrMake(this.#choices, index, () => new ChoiceFold(index))
  }
}
