import type { ChatRequest } from '@llm-ferry/sdk'

/** One thing that somebody said, in no vendor's form. */
export type Said = readonly [by: 'user' | 'assistant' | 'tool', what: unknown]

export interface Meaning {
  /** All instructions, in order. */
  readonly system: string[]
  readonly said: Said[]
}

type Loose = Record<string, never>

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

export function meaningOfRequest({ messages }: ChatRequest): Meaning {
  const system: string[] = []
  const said: Said[] = []
  for (const message of messages as unknown as Loose[]) {
    const by = message.role as string
    if (by === 'system' || by === 'developer') system.push(message.content)
    else if (by === 'tool')
      said.push(['tool', { id: message.tool_call_id, text: message.content, failed: message.is_error ?? false }])
    else {
      const parts: Loose[] =
        typeof message.content === 'string' ? [{ text: message.content } as Loose] : (message.content ?? [])
      for (const part of parts) said.push([by as 'user', part.text ?? { image: (part.image_url as Loose).url }])
      for (const call of (message.tool_calls ?? []) as Loose[]) {
        const fn = call.function as Loose
        said.push(['assistant', { call: call.id, name: fn.name, args: JSON.parse(fn.arguments) }])
      }
    }
  }
  return { system, said: joined(said) }
}

export function meaningOfAnthropic(body: unknown): Meaning {
  const { system, messages } = body as Loose
  const said: Said[] = []
  for (const { role, content } of messages as Loose[]) {
    for (const block of content as Loose[]) {
      const source = block.source as Loose | undefined
      if (block.type === 'text') said.push([role, block.text])
      else if (source) said.push([role, { image: `data:${source.media_type};base64,${source.data}` }])
      else if (block.type === 'tool_use')
        said.push(['assistant', { call: block.id, name: block.name, args: block.input }])
      else said.push(['tool', { id: block.tool_use_id, text: block.content, failed: block.is_error ?? false }])
    }
  }
  return { system: ((system ?? []) as Loose[]).map((block) => block.text), said: joined(said) }
}

export function meaningOfGemini(body: unknown): Meaning {
  const { systemInstruction, contents } = body as Loose
  const said: Said[] = []
  for (const { role, parts } of contents as Loose[]) {
    const by = role === 'model' ? 'assistant' : 'user'
    for (const part of parts as Loose[]) {
      const { functionCall: call, functionResponse: result, inlineData: inline } = part as Record<string, Loose>
      if (call) said.push(['assistant', { call: call.id, name: call.name, args: call.args }])
      else if (result) said.push(['tool', resultOf(result)])
      else if (inline) said.push([by, { image: `data:${inline.mimeType};base64,${inline.data}` }])
      else said.push([by, part.text])
    }
  }
  return {
    system: ((systemInstruction as Loose | undefined)?.parts ?? ([] as Loose[])).map((part: Loose) => part.text),
    said: joined(said),
  }
}

function resultOf({ id, response }: Loose): unknown {
  const failed = Object.hasOwn(response, 'error')
  return { id, text: failed ? (response as Loose).error : (response as Loose).output, failed }
}
