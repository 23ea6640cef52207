/**
 * When {@link SentenceSplitter} cuts. Lengths are in spoken characters: a Chinese character is 1, a Latin letter about a
 * third, so that 4 of them take about a second to say.
 */
export interface SentenceOptions {
  /**
   * Least length of the first sentence at which a comma or colon ends it, default 6. The listener waits for this one;
   * speaking it covers the wait for the next.
   */
  readonly firstLength?: number | undefined
  /** The same for later sentences, default 30. */
  readonly softLength?: number | undefined
  /** Greatest length of a piece, default 100. A sentence that is longer is cut between two words. */
  readonly maxLength?: number | undefined
}

export type SentenceLimits = Required<{ [K in keyof SentenceOptions]: number }>

export function sentenceLimits(options: SentenceOptions = {}): SentenceLimits {
  const { firstLength = 6, softLength = 30, maxLength = 100 } = options
  return { firstLength, softLength, maxLength }
}
