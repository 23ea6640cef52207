import type { NativeSession, SessionNews } from '../native.ts'
import { type Json, list, record, text } from '../shared/json.ts'
import { mapUsage } from './usage.ts'

/** Live: a turn may tell its usage more than once, the last time with its end or just behind it. */
function reader(): (message: Json) => SessionNews {
  let isOver = false
  return (message) => {
    const content = record(message.serverContent)
    const speaks = content?.modelTurn !== undefined || message.toolCall !== undefined
    const begins = isOver && speaks
    if (begins) isOver = false
    if (content?.turnComplete === true) isOver = true
    const usage = record(message.usageMetadata)
    return {
      begins,
      // Here the answer's tokens have another name.
      usage: usage && mapUsage({ candidatesTokenCount: usage.responseTokenCount, ...usage }),
      ...spoken(record(content?.modelTurn)),
    }
  }
}

function spoken(turn: Json | undefined): SessionNews {
  let said = ''
  let soundBytes = 0
  for (const each of list(turn?.parts)) {
    const part = record(each)
    said += text(part?.text) ?? ''
    soundBytes += ((text(record(part?.inlineData)?.data)?.length ?? 0) * 3) / 4
  }
  return { text: said, soundBytes }
}

export const sessions: readonly NativeSession[] = [
  {
    path: /^ws\/google\.ai\.generativelanguage\.v\w+\.GenerativeService\.BidiGenerateContent(?:Constrained)?$/,
    modelOf: () => undefined,
    modelIn: (message) => text(record(message.setup)?.model)?.replace(/^models\//, ''),
    reader,
  },
]
