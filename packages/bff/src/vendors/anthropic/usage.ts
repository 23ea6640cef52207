import type { Usage } from '@llm-ferry/sdk'
import { count, type Json, record } from '../shared/json.ts'

/** Later reports overwrite earlier ones, where they say anything: the vendor's counts are running totals. */
export function mergeUsage(before: Json, report: unknown): Json {
  const merged: Record<string, unknown> = { ...before }
  for (const [key, value] of Object.entries(record(report) ?? {})) {
    if (value !== null && value !== undefined) merged[key] = value
  }
  return merged
}

/** Usage on our base: the vendor counts cached tokens beside the input, we count them in it. */
export function mapUsage(raw: Json): Usage | undefined {
  const fresh = count(raw.input_tokens)
  const output = count(raw.output_tokens)
  if (fresh === undefined || output === undefined) return undefined
  const read = count(raw.cache_read_input_tokens)
  const written = count(raw.cache_creation_input_tokens)
  const hour = count(record(raw.cache_creation)?.ephemeral_1h_input_tokens)
  const thinking = count(record(raw.output_tokens_details)?.thinking_tokens)
  const prompt = fresh + (read ?? 0) + (written ?? 0)
  return {
    prompt_tokens: prompt,
    completion_tokens: output,
    total_tokens: prompt + output,
    ...((read !== undefined || written !== undefined) && {
      prompt_tokens_details: {
        ...(read !== undefined && { cached_tokens: read }),
        ...(written !== undefined && { cache_write_tokens: written }),
        ...(hour !== undefined && { cache_write_1h_tokens: hour }),
      },
    }),
    ...(thinking !== undefined && { completion_tokens_details: { reasoning_tokens: thinking } }),
  }
}
