import type { ChatMessage } from './schema/message.ts'
import type { ChatRequest } from './schema/request.ts'
import type { ChatCompletionMessage } from './schema/response.ts'
import type { Tool } from './schema/tool.ts'

// The schema lets unknown fields through, as an index signature; types that allow anything find no misspelt field.
type Known<T> = { [K in keyof T as string extends K ? never : K]: T[K] }

/** A message of a conversation: one that you write, or `message` of an earlier answer as it is. */
export type ChatInputMessage = ChatMessage | ChatCompletionMessage

/**
 * What to ask. The fields of OpenAI's Chat Completions, for every vendor; null means the same as absent. What the types
 * do not know goes into `extraBody` of the options.
 */
export interface ChatParams extends Partial<Omit<Known<ChatRequest>, 'model' | 'messages' | 'stream' | 'tools'>> {
  /** `vendor/model` such as `openai/gpt-5-mini`, a model's bare name, or an alias of your server. */
  readonly model: string
  /** The conversation so far, oldest first. */
  readonly messages: readonly ChatInputMessage[]
  /** Tools the model may ask for. */
  readonly tools?: readonly Tool[] | undefined
}
