import type { Logprobs, TokenLogprob } from '@llm-ferry/sdk/schema'
import { type Json, list, record, text } from '../shared/json.ts'

/** Log probabilities, or `null` when there are none. */
export function mapLogprobs(value: unknown): Logprobs | null {
  const result = record(value)
  if (!result) return null
  const top = list(result.topCandidates).map((each) => list(record(each)?.candidates))
  const content = list(result.chosenCandidates).map((each, index): TokenLogprob => {
    const alternatives = (top[index] ?? []).map((other) => token(record(other) ?? {}))
    return { ...token(record(each) ?? {}), top_logprobs: alternatives }
  })
  return { content, refusal: null }
}

function token(candidate: Json): Omit<TokenLogprob, 'top_logprobs'> {
  const word = text(candidate.token) ?? ''
  const logprob = typeof candidate.logProbability === 'number' ? candidate.logProbability : 0
  return { token: word, logprob, bytes: [...Buffer.from(word, 'utf8')] }
}
