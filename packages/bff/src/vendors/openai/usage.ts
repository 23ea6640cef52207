import type { Usage } from '@llm-ferry/sdk'
import { count, type Json, record } from '../shared/json.ts'

/** Usage on our base, or `undefined` when the vendor does not tell. The same object where nothing has to change. */
export function mapUsage(value: unknown): Usage | undefined {
  const raw = record(value)
  const prompt = count(raw?.prompt_tokens)
  if (!raw || prompt === undefined) return undefined
  const told = count(raw.completion_tokens) ?? 0
  const reasoning = count(record(raw.completion_tokens_details)?.reasoning_tokens) ?? 0
  const completion = excludesReasoning(raw, prompt, told, reasoning) ? told + reasoning : told
  const cached = cachedElsewhere(raw)
  const total = count(raw.total_tokens) ?? prompt + completion
  const same = completion === raw.completion_tokens && cached === undefined && total === raw.total_tokens
  if (same && !hasNull(raw)) return raw as unknown as Usage
  return clean({
    ...raw,
    completion_tokens: completion,
    total_tokens: total,
    ...(cached !== undefined && {
      prompt_tokens_details: { ...record(raw.prompt_tokens_details), cached_tokens: cached },
    }),
  })
}

// xAI counts reasoning beside the completion; its total gives that away.
function excludesReasoning(raw: Json, prompt: number, completion: number, reasoning: number): boolean {
  return reasoning > 0 && count(raw.total_tokens) === prompt + completion + reasoning
}

// DeepSeek and Moonshot have names of their own for cached tokens.
function cachedElsewhere(raw: Json): number | undefined {
  if (count(record(raw.prompt_tokens_details)?.cached_tokens) !== undefined) return undefined
  return count(raw.prompt_cache_hit_tokens) ?? count(raw.cached_tokens)
}

function hasNull(raw: Json): boolean {
  return raw.prompt_tokens_details === null || raw.completion_tokens_details === null
}

function clean(usage: Record<string, unknown>): Usage {
  for (const key of Object.keys(usage)) if (usage[key] === null) delete usage[key]
  return usage as unknown as Usage
}
