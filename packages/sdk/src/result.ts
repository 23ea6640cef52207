import { FerryError } from './errors.ts'
import type { CallMeta } from './meta.ts'
import type { ToolCall } from './schema/message.ts'
import type { ChatCompletion, ChatCompletionChoice, ChatCompletionMessage, FinishReason } from './schema/response.ts'
import type { Usage } from './schema/usage.ts'

/**
 * A whole answer: OpenAI's ChatCompletion, with shortcuts to its first choice. As JSON it is the ChatCompletion alone.
 *
 * @example
 * const answer = await ferry.chat({ model, messages })
 * console.log(answer.text, answer.usage?.total_tokens, answer.meta.vendor)
 * messages.push(answer.message)
 */
export class ChatResult implements ChatCompletion {
  declare readonly id: string
  declare readonly object: 'chat.completion'
  declare readonly created: number
  declare readonly model: string
  declare readonly choices: ChatCompletionChoice[]
  declare readonly usage?: Usage
  declare readonly service_tier?: string | null
  declare readonly system_fingerprint?: string | null
  readonly #first: ChatCompletionChoice
  readonly #meta: CallMeta

  constructor(completion: ChatCompletion, meta: CallMeta) {
    Object.assign(this, completion)
    const first = completion.choices?.[0]
    if (!first?.message) {
      const { requestId } = meta
      throw new FerryError('upstream_invalid', 'The answer holds no message; is `baseURL` right?', { requestId })
    }
    this.#first = first
    this.#meta = meta
  }

  /** The text, or '' when the model only called tools or declined. */
  get text(): string {
    return this.#first.message.content ?? ''
  }

  /** The message, to append to `messages` as it is for the next turn. */
  get message(): ChatCompletionMessage {
    return this.#first.message
  }

  /** Tools that the model asks for. */
  get toolCalls(): readonly ToolCall[] {
    return this.#first.message.tool_calls ?? []
  }

  /** Why the model stopped. `length`: the text is cut off at the token limit. */
  get finishReason(): FinishReason {
    return this.#first.finish_reason
  }

  /** What the server tells beside the answer. */
  get meta(): CallMeta {
    return this.#meta
  }
}
