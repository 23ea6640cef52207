import type { Command } from '../processes.ts'
import { CALLER_TOKEN, type Rig } from '../rig.ts'

/** The vendors whose interface the mock speaks. */
export type Shape = 'openai' | 'anthropic' | 'gemini'

/** A request as the load sends it. */
export interface Ask {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What the mock vendor is to answer. */
export interface Order {
  readonly shape: Shape
  readonly stream: boolean
  /** Content events of a stream. */
  readonly events: number
  /** Time before each event, and before a plain answer, in µs; 0: as fast as they are read. */
  readonly intervalUs: number
}

/** What each target is asked, in all shapes, before it is measured. */
export const PROBE = { events: 5, intervalUs: 1000 } as const

/** Something that stands between callers and the vendor. */
export interface Target {
  readonly name: string
  /** What it does, in a few words; a footnote of the table. */
  readonly about: string
  /** Whether it puts the vendor's key in place of the caller's token. */
  readonly swapsKey: boolean
  /** Gets what it needs and tells how to start it on a port; `undefined` when nothing is to be started. */
  prepare(rig: Rig, port: number): Command | undefined
  /** Whether thousands of streams are held open through it; slow peers would take minutes for it. */
  readonly holdsStreams?: boolean
  /** Whether it needs a Redis at `rig.redisPort`. */
  readonly needsRedis?: boolean
  /** Longest start, in ms. Default 20,000. */
  readonly startMs?: number
  /** What is still to be done once it listens, such as over its administration. */
  configure?(rig: Rig, port: number): Promise<void>
  ask(order: Order, rig: Rig): Ask
}

const SYSTEM =
  'You are a careful assistant. Answer in plain words, say what you are not sure of, and keep it under two hundred words unless the caller asks for more. '
const PROMPT =
  'Explain how a reverse proxy streams a response without buffering it, and what it must do when the caller goes away in the middle of the answer.'

/** The model's name, by which the mock knows its order. */
export const modelOf = ({ events, intervalUs }: Pick<Order, 'events' | 'intervalUs'>): string =>
  `m-${events}-${intervalUs}`

/** The vendor's own request, such as its SDK sends, behind a path prefix. */
export function vendorAsk(order: Order, prefix = ''): Ask {
  const headers = { Authorization: `Bearer ${CALLER_TOKEN}` }
  const model = modelOf(order)
  if (order.shape === 'anthropic') {
    return {
      path: `${prefix}/v1/messages`,
      headers: { ...headers, 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({
        model,
        max_tokens: 1024,
        temperature: 0.7,
        system: SYSTEM + SYSTEM,
        messages: [{ role: 'user', content: PROMPT }],
        ...(order.stream && { stream: true }),
      }),
    }
  }
  if (order.shape === 'gemini') {
    const method = order.stream ? 'streamGenerateContent?alt=sse' : 'generateContent'
    const body = {
      systemInstruction: { parts: [{ text: SYSTEM + SYSTEM }] },
      contents: [{ role: 'user', parts: [{ text: PROMPT }] }],
      generationConfig: { maxOutputTokens: 1024, temperature: 0.7 },
    }
    return { path: `${prefix}/v1beta/models/${model}:${method}`, headers, body: JSON.stringify(body) }
  }
  return chatAsk(order, model, headers, prefix)
}

/** A chat in OpenAI's form. */
export function chatAsk(
  order: Order,
  model: string,
  headers: Readonly<Record<string, string>> = { Authorization: `Bearer ${CALLER_TOKEN}` },
  prefix = '',
): Ask {
  const messages = [
    { role: 'system', content: SYSTEM + SYSTEM },
    { role: 'user', content: PROMPT },
  ]
  const body = { model, messages, temperature: 0.7, max_tokens: 1024, ...(order.stream && { stream: true }) }
  return { path: `${prefix}/v1/chat/completions`, headers, body: JSON.stringify(body) }
}
