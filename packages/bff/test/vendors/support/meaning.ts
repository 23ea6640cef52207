import type { ChatRequest } from '@llm-ferry/sdk'
import { list, record, text } from '../../../src/vendors/shared/json.ts'

/** One thing that somebody said, in no vendor's form. */
export type Said = readonly [by: string, what: unknown]

export interface Meaning {
  /** All instructions, in order. */
  readonly system: unknown[]
  readonly said: Said[]
}

type Loose = Readonly<Record<string, unknown>>

const objects = (value: unknown): Loose[] => list(value).map((each) => record(each) ?? {})
const inner = (value: unknown): Loose => record(value) ?? {}

/** Neighbouring texts of one speaker are one text; where they were cut means nothing. */
function joined(said: readonly Said[]): Said[] {
  const out: Said[] = []
  for (const [by, what] of said) {
    const last = out.at(-1)
    if (typeof what === 'string' && last?.[0] === by && typeof last[1] === 'string')
      out[out.length - 1] = [by, last[1] + what]
    else out.push([by, what])
  }
  return out
}

export function meaningOfRequest(request: Pick<ChatRequest, 'messages'>): Meaning {
  const system: unknown[] = []
  const said: Said[] = []
  for (const message of objects(request.messages)) {
    const by = String(message.role)
    if (by === 'system' || by === 'developer') system.push(message.content)
    else if (by === 'tool') {
      said.push(['tool', { id: message.tool_call_id, text: message.content, failed: message.is_error ?? false }])
    } else said.push(...turn(by, message))
  }
  return { system, said: joined(said) }
}

function turn(by: string, { content, tool_calls }: Loose): Said[] {
  const parts = typeof content === 'string' ? [{ text: content }] : objects(content)
  const spoken = parts.map((part: Loose): Said => [by, part.text ?? { image: inner(part.image_url).url }])
  const calls = objects(tool_calls).map((call): Said => {
    const { name, arguments: args } = inner(call.function)
    return ['assistant', { call: call.id, name, args: JSON.parse(text(args) ?? '') }]
  })
  return [...spoken, ...calls]
}

export function meaningOfAnthropic(body: unknown): Meaning {
  const { system, messages } = inner(body)
  const said = objects(messages).flatMap(({ role, content }) =>
    objects(content).map((block): Said => {
      const source = record(block.source)
      if (block.type === 'text') return [String(role), block.text]
      if (source) return [String(role), { image: `data:${source.media_type};base64,${source.data}` }]
      if (block.type === 'tool_use') return ['assistant', { call: block.id, name: block.name, args: block.input }]
      return ['tool', { id: block.tool_use_id, text: block.content, failed: block.is_error ?? false }]
    }),
  )
  return { system: objects(system).map((block) => block.text), said: joined(said) }
}

export function meaningOfGemini(body: unknown): Meaning {
  const { systemInstruction, contents } = inner(body)
  const said = objects(contents).flatMap(({ role, parts }) =>
    objects(parts).map((part): Said => {
      const by = role === 'model' ? 'assistant' : 'user'
      const [call, result, inline] = [record(part.functionCall), record(part.functionResponse), record(part.inlineData)]
      if (call) return ['assistant', { call: call.id, name: call.name, args: call.args }]
      if (result) return ['tool', resultOf(result)]
      return [by, inline ? { image: `data:${inline.mimeType};base64,${inline.data}` } : part.text]
    }),
  )
  return { system: objects(inner(systemInstruction).parts).map((part) => part.text), said: joined(said) }
}

function resultOf({ id, response }: Loose): unknown {
  const { output, error } = inner(response)
  return { id, text: error ?? output, failed: error !== undefined }
}
