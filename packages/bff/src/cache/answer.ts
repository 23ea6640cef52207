import type { ChatCompletion, Usage } from '@llm-ferry/sdk'

/** An answer as it is kept. */
export interface KeptAnswer {
  readonly vendor: string
  readonly model: string
  /** Request fields that the vendor did not get. */
  readonly dropped: readonly string[]
  /** When it was complete, in ms since 1970. */
  readonly at: number
  /** What it took. */
  readonly usage?: Usage | undefined
  readonly body: KeptBody
}

/** A body in the form it came in: whole, or the data of each event of a stream, its end left out. */
export type KeptBody =
  | { readonly kind: 'plain'; readonly value: object }
  | { readonly kind: 'stream'; readonly events: readonly string[] }

/**
 * Whether a whole chat may be given again: every choice came to its own end. One that a limit cut, that a filter or the
 * model refused, or that names something the vendor keeps, may not.
 */
export function isFit({ choices }: Pick<ChatCompletion, 'choices'>): boolean {
  return choices.length > 0 && choices.every(({ finish_reason, message }) => isEnd(finish_reason) && isWhole(message))
}

function isEnd(reason: string | null): boolean {
  return reason === 'stop' || reason === 'tool_calls'
}

function isWhole({ refusal, audio }: ChatCompletion['choices'][number]['message']): boolean {
  return !refusal && !audio
}
