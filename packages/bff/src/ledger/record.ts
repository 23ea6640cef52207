import type { Usage } from '@llm-ferry/sdk'

/** One line of the ledger: what one call used, or one attempt of it that was given up. */
export interface CallRecord {
  /** The call’s request id. A call whose process went away has two lines: `abandoned` and, should it come back, a correction. */
  readonly id: string
  /**
   * `call`; `attempt`: what an attempt used that was given up for an alias's next target, besides the call's own line;
   * `correction`: numbers to add to those of the line before it, with their signs.
   */
  readonly kind: 'call' | 'attempt' | 'correction'
  /** When the call was let in, ISO 8601. */
  readonly at: string
  /** Id of the key. */
  readonly key: string
  /** The key's name then, where it is not its id. */
  readonly keyName?: string
  /** The key's labels, where it has some. */
  readonly labels?: Readonly<Record<string, string>>
  readonly user: string
  readonly vendor: string
  readonly model: string
  readonly stream: boolean
  /** `completed`, `abandoned`, or the code of the error it ended with. */
  readonly outcome: string
  readonly attempts: number
  readonly relay?: string
  /** Tokens read, cached ones included. */
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly cacheWriteTokens: number
  /** Tokens written, reasoning included. */
  readonly completionTokens: number
  readonly reasoningTokens: number
  /** In billionths of a US dollar; null: the model’s price is not known. */
  readonly costNanos: number | null
  /** Whether the answer came from the cache of answers; absent when that was not asked. */
  readonly cache?: 'hit' | 'miss'
  /** What an answer from the cache would have cost, in billionths of a US dollar; null: the model’s price is not known. */
  readonly savedNanos?: number | null
  /** The tokens are our estimate, not the vendor’s count. */
  readonly estimated: boolean
  readonly firstByteMs?: number
  readonly totalMs?: number
}

/** Token counts of a record. */
export type TokenCounts = Pick<
  CallRecord,
  'promptTokens' | 'cachedTokens' | 'cacheWriteTokens' | 'completionTokens' | 'reasoningTokens'
>

export function tokenCounts(usage: Usage): TokenCounts {
  return {
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    cacheWriteTokens: usage.prompt_tokens_details?.cache_write_tokens ?? 0,
    completionTokens: usage.completion_tokens,
    reasoningTokens: usage.completion_tokens_details?.reasoning_tokens ?? 0,
  }
}

/** The line that, added to `before`, makes `after` of it. */
export function correction(after: CallRecord, before: CallRecord): CallRecord {
  return {
    ...after,
    kind: 'correction',
    promptTokens: after.promptTokens - before.promptTokens,
    cachedTokens: after.cachedTokens - before.cachedTokens,
    cacheWriteTokens: after.cacheWriteTokens - before.cacheWriteTokens,
    completionTokens: after.completionTokens - before.completionTokens,
    reasoningTokens: after.reasoningTokens - before.reasoningTokens,
    costNanos: after.costNanos === null ? null : after.costNanos - (before.costNanos ?? 0),
  }
}
