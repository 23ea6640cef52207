import type { ChatChunk, ChatRequest } from '@llm-ferry/sdk'
import { createParser } from 'eventsource-parser'
import type { StreamMapper, Target, VendorAdapter, WireEvent } from '../../../src/vendors/vendor.ts'

export const REQUEST: ChatRequest = { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: true }

/** Splits bytes into events as the BFF does. */
export function eventsOf(pieces: readonly Uint8Array[]): WireEvent[] {
  const events: WireEvent[] = []
  const decoder = new TextDecoder()
  const parser = createParser({ onEvent: ({ event, data }) => events.push({ event, data }) })
  for (const piece of pieces) parser.feed(decoder.decode(piece, { stream: true }))
  parser.feed(decoder.decode())
  parser.reset({ consume: true })
  return events
}

export function mapEvents(mapper: StreamMapper, events: readonly WireEvent[]): ChatChunk[] {
  return events.flatMap((event) => mapper.event(event))
}

/** Chunks of a whole stream, times of making left out. */
export function mapAll(
  adapter: VendorAdapter,
  pieces: readonly Uint8Array[],
  target: Target,
  request: ChatRequest = REQUEST,
): ChatChunk[] {
  const mapper = adapter.stream(request, target)
  const chunks = [...mapEvents(mapper, eventsOf(pieces)), ...mapper.end()]
  return chunks.map((chunk) => ({ ...chunk, created: 0 }))
}
