import { type AnswerFacts, free, type NativeDialect, type NativeFacts } from '../native.ts'
import { count, type Json, record, text } from '../shared/json.ts'
import { sessions } from './sessions.ts'
import { mapUsage } from './usage.ts'

// On Vertex, models stand below a project.
const MODEL = '^(?:(?:projects|publishers)/[\\w/.@-]+/)?models/(?<model>[\\w.@-]+)'

const at = (methods: string): RegExp => new RegExp(`${MODEL}:(?<method>${methods})$`)

function facts(body: Json, path: RegExpExecArray): NativeFacts {
  const config = record(body.generationConfig)
  return {
    model: path.groups?.model,
    isStream: path.groups?.method === 'streamGenerateContent',
    maxTokens: count(config?.maxOutputTokens),
    choices: count(config?.candidateCount),
    keeps: text(body.cachedContent) && '`cachedContent` reads what lies in the vendor account',
  }
}

const embeddings: AnswerFacts = { usage: (body) => mapUsage(body.usageMetadata) }

const json = { method: 'POST', body: 'json', facts } as const

export const native: NativeDialect = {
  operations: [
    { ...json, path: at('generateContent|streamGenerateContent'), answer: 'chat' },
    { ...json, path: at('countTokens'), answer: 'free' },
    { ...json, path: at('embedContent|batchEmbedContents'), answer: embeddings },
    // Images; it tells no usage.
    { ...json, path: at('predict'), answer: { usage: () => undefined } },
    free(new RegExp(`${MODEL}$`)),
    free(/^models$/),
  ],
  sessions,
  accountHeaders: /^x-goog-user-project$/,
  // @google/generative-ai ends a stream at the first one.
  takesComments: false,
}
