import type { ChatChunk, ChatCompletion, ChatRequest, Usage } from '@llm-ferry/sdk'
import { estimatePrompt, loadTokenCounter } from './estimate.ts'

/** Received text that is kept to count its tokens; of what follows only the length is known. */
const KEPT_TEXT = 65_536

/** What a call used. */
export interface Measured {
  readonly usage: Usage
  /** Whether the numbers are ours because the vendor’s were not to be had. */
  readonly isEstimated: boolean
}

export const usageOf = (prompt: number, completion: number): Usage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
})

export const NOTHING_MEASURED: Measured = { usage: usageOf(0, 0), isEstimated: false }

export const tokensOf = ({ usage }: Measured): number => usage.prompt_tokens + usage.completion_tokens

/** Watches an answer go by, to know what it used even when it breaks off. */
export class Meter {
  readonly #request: ChatRequest
  #usage: Usage | undefined
  #isFinal = false
  #text = ''
  #length = 0

  constructor(request: ChatRequest) {
    this.#request = request
  }

  /** Whether anything of an answer has come. */
  get hasReceived(): boolean {
    return this.#length > 0 || this.#usage !== undefined
  }

  /** The vendor’s own count; `isFinal`: it is complete. */
  count(usage: Usage | undefined, isFinal: boolean): void {
    if (usage === undefined || this.#isFinal) return
    this.#usage = usage
    this.#isFinal = isFinal
  }

  /** Takes note of chunks of a stream. */
  watch(chunks: readonly ChatChunk[]): void {
    for (const { choices, usage } of chunks) {
      for (const { delta } of choices) {
        this.#receive(delta.content)
        this.#receive(delta.reasoning_content)
        this.#receive(delta.refusal)
        for (const call of delta.tool_calls ?? []) this.#receive(call.function?.arguments)
      }
      if (usage) this.count(usage, true)
    }
  }

  /** Takes note of a whole answer. */
  complete({ choices, usage }: ChatCompletion): void {
    for (const { message } of choices) {
      this.#receive(message.content)
      this.#receive(message.reasoning_content)
      this.#receive(message.refusal)
      for (const call of message.tool_calls ?? []) this.#receive(JSON.stringify(call))
    }
    this.count(usage, true)
  }

  /** What was used: the vendor’s count where it is complete, else an estimate from what came. */
  async measure(): Promise<Measured> {
    const usage = this.#usage
    if (usage !== undefined && this.#isFinal) return { usage, isEstimated: false }
    const count = await loadTokenCounter()
    const received = this.#length === 0 ? 0 : Math.ceil((count(this.#text) / this.#text.length) * this.#length)
    const estimate = usageOf(
      usage?.prompt_tokens ?? estimatePrompt(this.#request, count),
      Math.max(received, usage?.completion_tokens ?? 0),
    )
    return { usage: { ...usage, ...estimate }, isEstimated: true }
  }

  #receive(text: string | null | undefined): void {
    if (!text) return
    this.#length += text.length
    if (this.#text.length < KEPT_TEXT) this.#text += text
  }
}
