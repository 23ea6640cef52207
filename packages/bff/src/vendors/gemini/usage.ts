import type { Usage } from '@llm-ferry/sdk'
import { count, list, record, text } from '../shared/json.ts'

/** Usage on our base: the vendor counts thoughts beside the answer and tool prompts beside the prompt. */
export function mapUsage(value: unknown): Usage | undefined {
  const raw = record(value)
  const told = count(raw?.promptTokenCount)
  if (!raw || told === undefined) return undefined
  const prompt = told + (count(raw.toolUsePromptTokenCount) ?? 0)
  const thoughts = count(raw.thoughtsTokenCount)
  // A count of zero is left out by the vendor.
  const completion = (count(raw.candidatesTokenCount) ?? 0) + (thoughts ?? 0)
  const promptDetails = {
    ...optional('cached_tokens', count(raw.cachedContentTokenCount)),
    ...modalities(raw.promptTokensDetails),
  }
  const completionDetails = { ...optional('reasoning_tokens', thoughts), ...modalities(raw.candidatesTokensDetails) }
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(Object.keys(promptDetails).length > 0 && { prompt_tokens_details: promptDetails }),
    ...(Object.keys(completionDetails).length > 0 && { completion_tokens_details: completionDetails }),
  }
}

function optional<K extends string>(key: K, value: number | undefined): { [P in K]?: number } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: number }
}

const NAMES: ReadonlyMap<string, 'text_tokens' | 'audio_tokens' | 'image_tokens'> = new Map([
  ['TEXT', 'text_tokens'],
  ['AUDIO', 'audio_tokens'],
  ['IMAGE', 'image_tokens'],
])

function modalities(details: unknown): { text_tokens?: number; audio_tokens?: number; image_tokens?: number } {
  const counts: { text_tokens?: number; audio_tokens?: number; image_tokens?: number } = {}
  for (const each of list(details)) {
    const detail = record(each)
    const name = NAMES.get(text(detail?.modality) ?? '')
    const tokens = count(detail?.tokenCount)
    if (name && tokens !== undefined) counts[name] = tokens
  }
  return counts
}
