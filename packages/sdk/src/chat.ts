import { Call } from './call.ts'
import { FerryError } from './errors.ts'
import { streamedError } from './failure.ts'
import type { CallMeta } from './meta.ts'
import { type ObjectParams, type ObjectResult, ObjectStream, responseFormat } from './object.ts'
import type { CallOptions, Settings } from './options.ts'
import type { ChatParams } from './params.ts'
import { ChatResult } from './result.ts'
import { type RunParams, type RunResult, RunStream } from './run.ts'
import type { ChatCompletion } from './schema/response.ts'
import type { AnySchema, OutputOf } from './standard-schema.ts'
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
  /** Asks for an object of a given form. */
  readonly object: ChatObject
  /** Asks with tools that run by themselves, until the model needs no more of them. */
  readonly run: ChatRun
}

/** `ferry.chat.object`. */
export interface ChatObject {
  /**
   * Asks for an object of the schema's form.
   *
   * Throws a FerryError `upstream_invalid` when the answer does not fit; its `cause` holds the schema's issues.
   *
   * @example
   * const schema = z.object({ city: z.string(), days: z.number() })
   * const { object } = await ferry.chat.object({ schema, model, messages })
   */
  <const Schema extends AnySchema>(
    params: ObjectParams<Schema>,
    options?: CallOptions,
  ): Promise<ObjectResult<OutputOf<Schema>>>
  /** The same as a stream; its `partials()` show the object as it grows. */
  stream<const Schema extends AnySchema>(
    params: ObjectParams<Schema>,
    options?: CallOptions,
  ): ObjectStream<OutputOf<Schema>>
}

/** `ferry.chat.run`. */
export interface ChatRun {
  /**
   * Asks, runs the tools that the model calls, and asks again with their results.
   *
   * @example
   * const { text, steps } = await ferry.chat.run({
   *   model, messages, tools: [weather, pay], approve: ({ toolName, input }) => askUser(toolName, input),
   * })
   */
  (params: RunParams, options?: CallOptions): Promise<RunResult>
  /** The same as a stream of events, those of tools among them. */
  stream(params: RunParams, options?: CallOptions): RunStream
}

const PATH = '/v1/chat/completions'

export function createChat(settings: Settings): Chat {
  const stream = (params: ChatParams, options: CallOptions = {}): ChatStream => {
    const body = { ...params, ...options.extraBody, stream: true, stream_options: streamOptions(params) }
    const accept = 'text/event-stream'
    return new ChatStream(new Call(settings, { method: 'POST', path: PATH, body, accept }, options))
  }
  return Object.assign((params: ChatParams, options?: CallOptions) => complete(settings, params, options), {
    stream,
    object: createObject(stream),
    run: createRun(stream),
  })
}

type Ask = (params: ChatParams, options?: CallOptions) => ChatStream

async function complete(settings: Settings, params: ChatParams, options: CallOptions = {}): Promise<ChatResult> {
  const body = { ...params, ...options.extraBody, stream: false }
  const { value, meta } = await new Call(settings, { method: 'POST', path: PATH, body }, options).json()
  return new ChatResult(completion(value, meta), meta)
}

function createObject(ask: Ask): ChatObject {
  const stream: ChatObject['stream'] = (params, options) => {
    const { schema, jsonSchema: _, name: __, ...request } = params
    return new ObjectStream(ask({ ...request, response_format: responseFormat(params) }, options), schema)
  }
  return Object.assign(
    async <Schema extends AnySchema>(params: ObjectParams<Schema>, options?: CallOptions) =>
      stream(params, options).final(),
    { stream },
  )
}

function createRun(ask: Ask): ChatRun {
  const stream = (params: RunParams, options: CallOptions = {}) => new RunStream(ask, params, options)
  return Object.assign(async (params: RunParams, options?: CallOptions) => stream(params, options).final(), { stream })
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
