import type { CallOptions } from './options.ts'
import type { ChatInputMessage } from './params.ts'
import type { RunParams, RunResult, RunStream } from './run.ts'
import type { UserPart } from './schema/content.ts'
import type { FerryTool } from './tool.ts'

/** What all turns of a conversation share. */
export interface ConversationParams extends Omit<RunParams, 'messages' | 'tools'> {
  /** Instructions, sent first in every turn. */
  readonly system?: string | undefined
  /** Earlier messages, such as {@link Conversation.messages} of a stored conversation. */
  readonly messages?: readonly ChatInputMessage[] | undefined
  readonly tools?: readonly FerryTool[] | undefined
}

/**
 * A conversation that remembers. Answers are kept as they are, with the reasoning blocks that vendors want back, tool
 * calls and their results; a turn that fails or is left leaves nothing behind.
 */
export interface Conversation {
  /** What was said, instructions not included. JSON that can be stored and passed in again. */
  readonly messages: readonly ChatInputMessage[]
  /** Says something and waits for the answer. */
  send(content: string | readonly UserPart[], options?: CallOptions): Promise<RunResult>
  /**
   * Says something and streams the answer.
   *
   * @example
   * for await (const sentence of conversation.stream('北京明天冷吗？').sentences()) await voice.speak(sentence)
   */
  stream(content: string | readonly UserPart[], options?: CallOptions): RunStream
}

type Run = (params: RunParams, options?: CallOptions) => RunStream

export function createConversation(run: Run, params: ConversationParams): Conversation {
  const { system, messages: earlier = [], tools = [], ...shared } = params
  const instructions: ChatInputMessage[] = system === undefined ? [] : [{ role: 'system', content: system }]
  let messages = [...earlier]
  let busy = false

  const stream = (content: string | readonly UserPart[], options?: CallOptions): RunStream => {
    // Two turns at once would each miss the other, and the later one overwrite it.
    if (busy) throw new TypeError('The last turn is still running; wait for its end, or cancel it.')
    const said: ChatInputMessage = { role: 'user', content: typeof content === 'string' ? content : [...content] }
    const turn = run({ ...shared, tools, messages: [...instructions, ...messages, said] }, options)
    busy = true
    turn.ended.then(
      (result) => {
        messages = result.messages.slice(instructions.length)
        busy = false
      },
      () => {
        busy = false
      },
    )
    return turn
  }
  return {
    get messages() {
      return messages
    },
    send: async (content, options) => stream(content, options).final(),
    stream,
  }
}
