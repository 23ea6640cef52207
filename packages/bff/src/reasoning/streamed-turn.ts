import type { ChatChunk, ReasoningDetail } from '@llm-ferry/sdk'
import type { Turn } from './kept-reasoning.ts'

/** Gathers from the chunks of a stream what its turn is kept by. */
export class StreamedTurn implements Turn {
  reasoning_details: readonly ReasoningDetail[] | undefined
  tool_calls: readonly { readonly id: string }[] | undefined

  watch(chunks: readonly ChatChunk[]): void {
    for (const { choices } of chunks) {
      for (const { index, delta } of choices) {
        if (index !== 0) continue
        this.reasoning_details = delta.reasoning_details ?? this.reasoning_details
        const id = delta.tool_calls?.[0]?.id
        if (id) this.tool_calls ??= [{ id }]
      }
    }
  }
}
