import { type AnswerFacts, free, type NativeDialect, type NativeFacts, type NativeOperation } from '../native.ts'
import { count, type Json, list, record, text } from '../shared/json.ts'
import { newerUsage } from './newer-usage.ts'
import { sessions } from './sessions.ts'
import { mapUsage } from './usage.ts'

// Azure's older interface names the model in the path.
const DEPLOYMENT = '^(?:openai/deployments/(?<deployment>[\\w.-]+)/)?'

const at = (path: string): RegExp => new RegExp(`${DEPLOYMENT}${path}$`)

function facts(body: Json, path: RegExpExecArray): NativeFacts {
  return {
    model: text(body.model) ?? path.groups?.deployment,
    isStream: body.stream === true || body.stream === 'true' || body.stream_format === 'sse',
    user: text(body.safety_identifier) ?? text(body.user),
    maxTokens: count(body.max_completion_tokens) ?? count(body.max_tokens) ?? count(body.max_output_tokens),
    choices: count(body.n),
  }
}

function chatFacts(body: Json, path: RegExpExecArray): NativeFacts {
  const keeps = body.store === true ? '`store: true` keeps the answer in the vendor account' : undefined
  return { ...facts(body, path), keeps }
}

function responsesFacts(body: Json, path: RegExpExecArray): NativeFacts {
  return { ...facts(body, path), keeps: keptByResponses(body) }
}

function keptByResponses(body: Json): string | undefined {
  for (const field of ['previous_response_id', 'conversation']) {
    if (body[field] !== undefined && body[field] !== null) return `\`${field}\` reads what lies in the vendor account`
  }
  if (body.background === true) return '`background: true` keeps the answer in the vendor account'
  return body.store === false ? undefined : 'answers are kept in the vendor account unless you send `store: false`'
}

const LAST_RESPONSE = /^(response\.(completed|incomplete|failed)|error)$/

const responses: AnswerFacts = {
  usage: (body) => newerUsage(body.usage ?? record(body.response)?.usage),
  text: (event) => (/\.delta$/.test(text(event.type) ?? '') ? text(event.delta) : undefined),
  isLast: (event) => LAST_RESPONSE.test(text(event?.type) ?? ''),
}

/** Speech, transcripts and images, whose streams end with an event of their own. */
const media: AnswerFacts = {
  usage: (body) => newerUsage(body.usage),
  text: (event) => (event.type === 'transcript.text.delta' ? text(event.delta) : undefined),
  isLast: (event) => /(\.done|\.completed|^error)$/.test(text(event?.type) ?? ''),
}

const completions: AnswerFacts = {
  usage: (body) => mapUsage(body.usage),
  text: (event) => list(event.choices).reduce<string>((all, each) => all + (text(record(each)?.text) ?? ''), ''),
  isLast: (_, data) => data === '[DONE]',
}

const embeddings: AnswerFacts = { usage: (body) => mapUsage(body.usage) }

const usageOnDemand: NativeOperation['usageOnDemand'] = {
  ask(body, source) {
    if (body.stream !== true) return undefined
    const options = record(body.stream_options)
    if (options?.include_usage === true) return undefined
    // Every byte of the caller's stays where nothing of it has to change.
    if (body.stream_options === undefined) return source.replace('{', '{"stream_options":{"include_usage":true},')
    return JSON.stringify({ ...body, stream_options: { ...options, include_usage: true } })
  },
  isAnswer(data) {
    if (!/"choices"\s*:\s*\[\s*\]/.test(data)) return false
    const chunk = parse(data)
    return list(chunk?.choices).length === 0 && record(chunk?.usage) !== undefined
  },
}

function parse(data: string): Json | undefined {
  try {
    return record(JSON.parse(data))
  } catch {
    return undefined
  }
}

const json = { method: 'POST', body: 'json', facts } as const
const form = { method: 'POST', body: 'form', facts } as const

export const native: NativeDialect = {
  operations: [
    { ...json, path: at('chat/completions'), answer: 'chat', facts: chatFacts, usageOnDemand },
    { ...json, path: at('completions'), answer: completions, usageOnDemand },
    { ...json, path: at('responses'), answer: responses, facts: responsesFacts },
    { ...json, path: at('responses/input_tokens'), answer: 'free' },
    { ...json, path: at('embeddings'), answer: embeddings },
    { ...json, path: at('moderations'), answer: 'free' },
    { ...json, path: at('audio/speech'), answer: media },
    { ...form, path: at('audio/(?:transcriptions|translations)'), answer: media },
    { ...json, path: at('images/generations'), answer: media },
    { ...form, path: at('images/(?:edits|variations)'), answer: media },
    free(/^models(?:\/[\w.:-]+)?$/),
  ],
  sessions,
  accountHeaders: /^(openai-(organization|project)|x-ratelimit-.*)$/,
  takesComments: true,
}
