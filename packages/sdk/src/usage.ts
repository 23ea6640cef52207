import type { Usage } from './schema/usage.ts'

/** The sum of what several calls took; undefined when one of them is unknown, which is not the same as nothing. */
export function sumUsage(parts: readonly (Usage | undefined)[]): Usage | undefined {
  let sum: Usage | undefined
  for (const part of parts) {
    if (!part) return undefined
    sum = sum ? add(sum, part) : part
  }
  return sum
}

function add(a: Usage, b: Usage): Usage {
  const { prompt_tokens_details: promptA, completion_tokens_details: completionA } = a
  const { prompt_tokens_details: promptB, completion_tokens_details: completionB } = b
  return {
    prompt_tokens: a.prompt_tokens + b.prompt_tokens,
    completion_tokens: a.completion_tokens + b.completion_tokens,
    total_tokens: a.total_tokens + b.total_tokens,
    ...(promptA && promptB && { prompt_tokens_details: addFields(promptA, promptB) }),
    ...(completionA && completionB && { completion_tokens_details: addFields(completionA, completionB) }),
  }
}

// A detail that one of them does not report is not known for both.
function addFields<T extends Record<string, number | undefined>>(a: T, b: T): T {
  const known = Object.entries(a).flatMap(([field, value]) => {
    const other = b[field]
    return value === undefined || other === undefined ? [] : [[field, value + other]]
  })
  return Object.fromEntries(known) as T
}
