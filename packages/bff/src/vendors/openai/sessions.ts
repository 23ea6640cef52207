import type { NativeSession, SessionNews } from '../native.ts'
import { type Json, record, text } from '../shared/json.ts'
import { newerUsage } from './newer-usage.ts'

const bytesOf = (base64: string): number => Math.floor((base64.length * 3) / 4)

/** Realtime: every response tells its usage when it is over, cancelled ones too, and so does every transcript. */
function readRealtime(event: Json): SessionNews {
  const type = text(event.type) ?? ''
  if (type === 'response.done') return { usage: newerUsage(record(event.response)?.usage), isWhole: true }
  if (type === 'conversation.item.input_audio_transcription.completed')
    return { usage: newerUsage(event.usage), isWhole: true }
  const delta = /^response\..*\.delta$/.test(type) ? text(event.delta) : undefined
  if (delta === undefined) return {}
  return /audio\.delta$/.test(type) ? { soundBytes: bytesOf(delta) } : { text: delta }
}

function readResponses(event: Json): SessionNews {
  const type = text(event.type) ?? ''
  if (/^response\.(completed|incomplete|failed)$/.test(type))
    return { usage: newerUsage(record(event.response)?.usage), isWhole: true }
  return /\.delta$/.test(type) ? { text: text(event.delta) } : {}
}

export const sessions: readonly NativeSession[] = [
  {
    path: /^realtime$/,
    modelOf: (query) => query.get('model') ?? undefined,
    modelIn: (message) => text(record(message.session)?.model),
    reader: () => readRealtime,
  },
  {
    path: /^responses$/,
    modelOf: () => undefined,
    modelIn: (message) => text(message.model) ?? text(record(message.response)?.model),
    reader: () => readResponses,
  },
]
