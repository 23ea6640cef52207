import { free, type NativeDialect, type NativeFacts } from '../native.ts'
import { count, type Json, record, text } from '../shared/json.ts'

function facts(body: Json): NativeFacts {
  return {
    model: text(body.model),
    isStream: body.stream === true,
    user: text(record(body.metadata)?.user_id),
    maxTokens: count(body.max_tokens),
  }
}

const json = { method: 'POST', body: 'json', facts } as const

export const native: NativeDialect = {
  operations: [
    { ...json, path: /^messages$/, answer: 'chat' },
    { ...json, path: /^messages\/count_tokens$/, answer: 'free' },
    free(/^models(?:\/[\w.:-]+)?$/),
  ],
  accountHeaders: /^anthropic-(organization-id|ratelimit-.*|priority-.*|fast-.*)$/,
  takesComments: true,
}
