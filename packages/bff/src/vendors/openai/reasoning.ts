import type { ReasoningDetail } from '@llm-ferry/sdk'
import { list, record, text } from '../shared/json.ts'

// Fields of a block that arrive in pieces.
const PIECES = ['text', 'summary', 'data', 'signature'] as const

/**
 * Gathers reasoning blocks that a vendor streams in fragments. They go out once and whole, since of OpenAI's own
 * clients Python's raises on fragments without an index and Node's keeps the last fragment only.
 */
export class ReasoningCollector {
  readonly #blocks = new Map<unknown, Record<string, unknown>>()

  add(fragments: unknown): void {
    for (const each of list(fragments)) {
      const fragment = record(each)
      if (fragment) this.#merge(fragment.index ?? `new ${this.#blocks.size}`, fragment)
    }
  }

  take(): ReasoningDetail[] {
    const blocks = [...this.#blocks.values()].map((block, index) => ({ type: 'reasoning.text', ...block, index }))
    this.#blocks.clear()
    return blocks
  }

  #merge(key: unknown, fragment: Readonly<Record<string, unknown>>): void {
    const block = this.#blocks.get(key)
    if (!block) {
      this.#blocks.set(key, { ...fragment })
      return
    }
    for (const [name, value] of Object.entries(fragment)) {
      const known = text(block[name])
      const piece = (PIECES as readonly string[]).includes(name) && known !== undefined && typeof value === 'string'
      if (piece) block[name] = known + value
      else if (value !== null && value !== undefined) block[name] = value
    }
  }
}
