import type { ChatMessage, ToolMessage } from '@llm-ferry/sdk'
import { plainText } from '../shared/content.ts'
import type { CallNames } from '../shared/conversation.ts'
import { record } from '../shared/json.ts'
import type { Target } from '../vendor.ts'
import { assistantParts } from './assistant.ts'
import { contentParts, type Part } from './content.ts'
import type { ModelTraits } from './models.ts'

type Kind = 'user' | 'model' | 'result'

interface Turn {
  readonly kind: Kind
  readonly parts: Part[]
}

/** The conversation in turns, with its instructions beside it. */
export interface Conversation {
  readonly system: Part[]
  readonly contents: { readonly role: 'user' | 'model'; readonly parts: Part[] }[]
}

export function mapMessages(
  messages: readonly ChatMessage[],
  names: CallNames,
  traits: ModelTraits,
  target: Target,
): Conversation {
  const system: Part[] = []
  const turns: Turn[] = []
  messages.forEach((message, index) => {
    const param = `messages[${index}]`
    if (message.role === 'system' || message.role === 'developer') {
      system.push(...contentParts(message.content, `${param}.content`, target))
    } else if (message.role === 'user') say(turns, 'user', contentParts(message.content, `${param}.content`, target))
    else if (message.role === 'assistant') say(turns, 'model', assistantParts(message, param, traits, target))
    // Messages of the older role were refused before.
    else if (message.role === 'tool')
      say(turns, 'result', resultParts(message, names, traits, `${param}.content`, target))
  })
  const contents = turns.map(({ kind, parts }) => ({
    role: kind === 'model' ? ('model' as const) : ('user' as const),
    parts,
  }))
  return { system, contents }
}

// Results are a turn of their own, apart from what the user says next: the vendor counts them against the calls.
function say(turns: Turn[], kind: Kind, parts: Part[]): void {
  if (parts.length === 0) return
  const turn = turns.at(-1)
  if (turn?.kind === kind) turn.parts.push(...parts)
  else turns.push({ kind, parts })
}

function resultParts(
  { tool_call_id: id, content, is_error }: ToolMessage,
  names: CallNames,
  traits: ModelTraits,
  param: string,
  target: Target,
): Part[] {
  const output = parseResult(plainText(content))
  const response = is_error ? { error: output } : (record(output) ?? { output })
  const media =
    typeof content === 'string' ? [] : contentParts(content, param, target).filter((part) => part.text === undefined)
  const call = { id, name: names.get(id) ?? '', response }
  if (media.length === 0) return [{ functionResponse: call }]
  return traits.richResults ? [{ functionResponse: { ...call, parts: media } }] : [{ functionResponse: call }, ...media]
}

// Digits that a JavaScript number would round stay text.
const LONG_NUMBER = /\d{16}/

/** JSON text of an object as that object, anything else as it is: the vendor wants an object. */
function parseResult(text: string): unknown {
  if (!/^\s*\{/.test(text) || LONG_NUMBER.test(text)) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
