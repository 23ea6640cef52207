import type { Usage } from '@llm-ferry/sdk'
import { count, record } from '../shared/json.ts'

/** Every newer interface of the vendor counts so; Realtime calls the details `…_token_details`. */
export function newerUsage(value: unknown): Usage | undefined {
  const raw = record(value)
  const prompt = count(raw?.input_tokens)
  const completion = count(raw?.output_tokens)
  if (!raw || prompt === undefined || completion === undefined) return undefined
  const cached = count(record(raw.input_tokens_details ?? raw.input_token_details)?.cached_tokens)
  const reasoning = count(record(raw.output_tokens_details ?? raw.output_token_details)?.reasoning_tokens)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(cached !== undefined && { prompt_tokens_details: { cached_tokens: cached } }),
    ...(reasoning !== undefined && { completion_tokens_details: { reasoning_tokens: reasoning } }),
  }
}
