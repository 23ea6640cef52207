import { Call } from './call.ts'
import { FerryError } from './errors.ts'
import { streamedError } from './failure.ts'
import type { CallMeta } from './meta.ts'
import type { CallOptions, Settings } from './options.ts'
import type { ChatParams } from './params.ts'
import { ChatResult } from './result.ts'
import type { ChatCompletion } from './schema/response.ts'
import { ChatStream } from './stream.ts'

/** `ferry.chat`: call it for a whole answer, or use its methods. */
export interface Chat {
  /**
   * Asks for a whole answer.
   *
   * Throws a {@link FerryError}; when you abort the call yourself, the signal's reason.
   *
   * @example
   * const { text } = await ferry.chat({ model: 'openai/gpt-5-mini', messages: [{ role: 'user', content: '你好' }] })
   */
  (params: ChatParams, options?: CallOptions): Promise<ChatResult>
  /** Asks for a streamed answer, and starts at once. Errors come where the stream is read. */
  stream(params: ChatParams, options?: CallOptions): ChatStream
}

const PATH = '/v1/chat/completions'

export function createChat(settings: Settings): Chat {
  const chat = async (params: ChatParams, options: CallOptions = {}): Promise<ChatResult> => {
    const body = { ...params, ...options.extraBody, stream: false }
    const { value, meta } = await new Call(settings, { method: 'POST', path: PATH, body }, options).json()
    return new ChatResult(completion(value, meta), meta)
  }
  return Object.assign(chat, {
    stream(params: ChatParams, options: CallOptions = {}): ChatStream {
      const body = { ...params, ...options.extraBody, stream: true, stream_options: streamOptions(params) }
      const accept = 'text/event-stream'
      return new ChatStream(new Call(settings, { method: 'POST', path: PATH, body, accept }, options))
    },
  })
}

function streamOptions(params: ChatParams): ChatParams['stream_options'] {
  return { include_usage: true, ...params.stream_options }
}

// An error answered with status 200 is what other gateways do; it must not pass for an answer.
function completion(value: unknown, meta: CallMeta): ChatCompletion {
  const error = streamedError(value, meta.headers)
  if (error) throw error
  if (typeof value === 'object' && value !== null) return value as ChatCompletion
  throw new FerryError('upstream_invalid', 'The answer is no chat completion.', { requestId: meta.requestId })
}
