import { type ChatChunk, type ChatCompletion, type ChatDelta, completionOf } from '@llm-ferry/sdk'
import { keepWireText } from '../dispatch/wire-text.ts'
import type { KeptBody } from './answer.ts'

/** A kept chat as a whole answer. */
export function asCompletion(body: KeptBody): ChatCompletion {
  return body.kind === 'plain' ? (body.value as ChatCompletion) : completionOf(body.events.map(parseChunk))
}

/** A kept chat as the chunks of a stream: those it came in, or a few that add up to it. */
export function asChunks(body: KeptBody): ChatChunk[] {
  return body.kind === 'stream' ? body.events.map(parseChunk) : chunksOf(body.value as ChatCompletion)
}

function parseChunk(data: string): ChatChunk {
  const chunk = JSON.parse(data) as ChatChunk
  keepWireText(chunk, data)
  return chunk
}

function chunksOf({ choices, usage, object: _, ...head }: ChatCompletion): ChatChunk[] {
  const chunk = (...some: ChatChunk['choices']): ChatChunk => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: some,
  })
  const chunks = choices.flatMap(({ index, message, logprobs, finish_reason, ...finish }) => [
    chunk({ index, delta: openingOf(message), finish_reason: null, ...(logprobs && { logprobs }) }),
    chunk({ index, delta: closingOf(message), finish_reason: null }),
    chunk({ index, delta: {}, finish_reason, ...finish }),
  ])
  return usage === undefined ? chunks : [...chunks, { ...chunk(), usage }]
}

type Message = ChatCompletion['choices'][number]['message']

function openingOf({ role, content, reasoning_content }: Message): ChatDelta {
  return { role, ...(reasoning_content && { reasoning_content }), content: content ?? '' }
}

/** Opaque blocks come once and complete, in the last delta before the finish, each with its place. */
function closingOf({ tool_calls, images, annotations, reasoning_details }: Message): ChatDelta {
  return {
    ...(tool_calls && { tool_calls: tool_calls.map((call, index) => ({ index, ...call })) }),
    ...(images && { images }),
    ...(annotations && { annotations }),
    ...(reasoning_details && { reasoning_details: reasoning_details.map((detail, index) => ({ index, ...detail })) }),
  }
}
