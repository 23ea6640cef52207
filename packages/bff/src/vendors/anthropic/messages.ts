import type { ChatMessage, ToolMessage } from '@llm-ferry/sdk'
import type { CacheControl } from '@llm-ferry/sdk/schema'
import { unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'
import { assistantBlocks } from './assistant.ts'
import { type Block, contentBlocks, textBlocks } from './content.ts'
import { toolId } from './ids.ts'
import type { ModelTraits } from './models.ts'

interface Turn {
  readonly role: 'user' | 'assistant' | 'system'
  readonly content: Block[]
}

/** The conversation in turns, with its instructions beside it. */
export interface Conversation {
  readonly system: Block[]
  readonly messages: Turn[]
}

export function mapMessages(messages: readonly ChatMessage[], traits: ModelTraits, target: Target): Conversation {
  const builder = new Builder(traits, target)
  messages.forEach((message, index) => {
    builder.add(message, `messages[${index}]`)
  })
  return builder.finish(messages.length - 1)
}

class Builder {
  readonly #system: Block[] = []
  readonly #turns: Turn[] = []
  /** Instructions that wait for the end of the user's turn, after which alone the vendor takes them. */
  #waiting: Block[] = []
  readonly #traits: ModelTraits
  readonly #target: Target

  constructor(traits: ModelTraits, target: Target) {
    this.#traits = traits
    this.#target = target
  }

  add(message: ChatMessage, param: string): void {
    const at = `${param}.content`
    switch (message.role) {
      case 'system':
      case 'developer':
        this.#instruct(marked(contentBlocks(message.content, at, this.#target), message.cache_control))
        break
      case 'user':
        this.#say('user', marked(contentBlocks(message.content, at, this.#target), message.cache_control))
        break
      case 'assistant':
        this.#say('assistant', marked(assistantBlocks(message, param, this.#target), message.cache_control))
        break
      case 'tool':
        this.#result(this.#resultBlock(message, at))
    }
  }

  finish(last: number): Conversation {
    if (this.#turns.at(-1)?.role === 'assistant') this.#prefill(last)
    this.#flush()
    return { system: this.#system, messages: this.#turns }
  }

  #instruct(blocks: Block[]): void {
    const later = this.#traits.systemAnywhere && this.#turns.length > 0
    if (later) this.#waiting.push(...blocks)
    else this.#system.push(...blocks)
  }

  #say(role: 'user' | 'assistant', blocks: Block[]): void {
    if (blocks.length === 0) return
    if (role === 'assistant') this.#flush()
    const turn = this.#turns.at(-1)
    if (turn?.role === role) turn.content.push(...blocks)
    else this.#turns.push({ role, content: blocks })
  }

  /** Results stand first in the turn after the calls, whatever else the user said in between. */
  #result(block: Block): void {
    const turn = this.#turns.at(-1)
    if (turn?.role !== 'user') {
      this.#turns.push({ role: 'user', content: [block] })
      return
    }
    const at = turn.content.findIndex(({ type }) => type !== 'tool_result')
    turn.content.splice(at < 0 ? turn.content.length : at, 0, block)
  }

  #resultBlock({ tool_call_id, content, is_error, cache_control }: ToolMessage, param: string): Block {
    const result = typeof content === 'string' ? content : contentBlocks(content, param, this.#target)
    return {
      type: 'tool_result',
      tool_use_id: toolId(tool_call_id),
      ...(result.length > 0 && { content: result }),
      ...(is_error && { is_error }),
      ...(cache_control && { cache_control }),
    }
  }

  #flush(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    if (this.#turns.at(-1)?.role === 'user') this.#turns.push({ role: 'system', content: waiting })
    else this.#system.push(...waiting)
  }

  #prefill(last: number): void {
    if (!this.#traits.prefill) {
      throw unsupported(`messages[${last}]`, this.#target, 'continues no assistant message; end with a user message.')
    }
    trimLast(this.#turns.at(-1)?.content)
  }
}

// The vendor refuses a beginning that ends in white space.
function trimLast(blocks: Block[] | undefined): void {
  const block = blocks?.at(-1)
  if (blocks && typeof block?.text === 'string') blocks.splice(-1, 1, ...textBlocks(block.text.trimEnd()))
}

function marked(blocks: Block[], cache_control: CacheControl | undefined): Block[] {
  const last = blocks.at(-1)
  if (cache_control && last) blocks[blocks.length - 1] = { ...last, cache_control }
  return blocks
}
