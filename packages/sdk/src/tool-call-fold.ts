import type { ChatEvent } from './events.ts'
import type { ToolCall } from './schema/message.ts'
import type { ToolCallDelta } from './schema/response.ts'

/** Folds the pieces of one tool call. */
export class ToolCallFold {
  readonly #choice: number
  readonly #index: number
  #type: ToolCall['type'] = 'function'
  #id = ''
  #name = ''
  #arguments = ''
  #started = false

  constructor(choice: number, index: number) {
    this.#choice = choice
    this.#index = index
  }

  push({ id, type, function: fn, custom }: ToolCallDelta, events: ChatEvent[]): void {
    if (id) this.#id = id
    if (type) this.#type = type
    this.#name += fn?.name ?? custom?.name ?? ''
    const about = { choice: this.#choice, index: this.#index, id: this.#id }
    if (!this.#started) {
      this.#started = true
      events.push({ type: 'tool-call-start', ...about, name: this.#name })
    }
    const delta = fn?.arguments ?? custom?.input
    if (!delta) return
    this.#arguments += delta
    events.push({ type: 'tool-call-delta', ...about, delta })
  }

  finish(events: ChatEvent[]): void {
    events.push({
      type: 'tool-call-complete',
      choice: this.#choice,
      index: this.#index,
      id: this.#id,
      name: this.#name,
      arguments: this.#arguments,
      call: this.value(),
    })
  }

  value(): ToolCall {
    const [id, name] = [this.#id, this.#name]
    return this.#type === 'custom'
      ? { id, type: 'custom', custom: { name, input: this.#arguments } }
      : { id, type: 'function', function: { name, arguments: this.#arguments } }
  }
}
