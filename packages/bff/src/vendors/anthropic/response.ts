import { type ChatCompletion, type ChatCompletionMessage, FerryError } from '@llm-ferry/sdk'
import { type Json, list, nowSeconds, parseAnswer, record, text, truncated } from '../shared/json.ts'
import type { Target } from '../vendor.ts'
import { annotations } from './citations.ts'
import { streamError } from './error.ts'
import { type Finish, finishFields, mapFinish } from './finish.ts'
import { redactedDetail, type Stamp, thinkingDetail } from './reasoning.ts'
import { mapUsage } from './usage.ts'

type Message = ChatCompletionMessage

export function mapResponse(body: unknown, target: Target): ChatCompletion {
  const answer = parseAnswer(body, target)
  if (answer.type === 'error') throw streamError(answer, target)
  if (!Array.isArray(answer.content)) {
    throw new FerryError('upstream_invalid', 'The vendor’s answer has no content.', { vendor: target.vendor })
  }
  const finish = mapFinish(answer)
  if (!finish) throw truncated(target, 'The vendor’s answer has no stop_reason: it was cut.')
  const usage = mapUsage(record(answer.usage) ?? {})
  const tier = text(record(answer.usage)?.service_tier)
  return {
    id: text(answer.id) ?? '',
    object: 'chat.completion',
    created: target.askedAt ?? nowSeconds(),
    model: text(answer.model) ?? target.model,
    ...(tier !== undefined && { service_tier: tier }),
    choices: [
      {
        index: 0,
        message: mapMessage(list(answer.content), finish, target),
        finish_reason: finish.reason,
        logprobs: null,
        ...finishFields(finish),
      },
    ],
    ...(usage && { usage }),
  }
}

function mapMessage(blocks: readonly unknown[], finish: Finish, target: Target): Message {
  const gathered = new Gathered(target.model)
  for (const each of blocks) {
    const block = record(each)
    if (block) gathered.add(block)
  }
  return gathered.message(finish)
}

class Gathered {
  readonly #text: string[] = []
  readonly #thinking: string[] = []
  readonly #calls: NonNullable<Message['tool_calls']> = []
  readonly #details: NonNullable<Message['reasoning_details']> = []
  readonly #annotations: NonNullable<Message['annotations']> = []
  readonly #model: string
  #length = 0

  constructor(model: string) {
    this.#model = model
  }

  add(block: Json): void {
    if (block.type === 'text') this.#addText(block)
    else if (block.type === 'thinking') this.#addThinking(text(block.thinking) ?? '', text(block.signature) ?? '')
    else if (block.type === 'redacted_thinking') this.#addRedacted(text(block.data) ?? '')
    else if (block.type === 'tool_use') this.#addCall(block)
  }

  message({ refusal }: Finish): Message {
    return {
      role: 'assistant',
      content: this.#text.length > 0 ? this.#text.join('') : null,
      refusal: refusal ?? null,
      ...(this.#thinking.length > 0 && { reasoning_content: this.#thinking.join('') }),
      ...(this.#details.length > 0 && { reasoning_details: this.#details }),
      ...(this.#calls.length > 0 && { tool_calls: this.#calls }),
      ...(this.#annotations.length > 0 && { annotations: this.#annotations }),
    }
  }

  #addText(block: Json): void {
    const said = text(block.text) ?? ''
    this.#text.push(said)
    this.#annotations.push(...annotations(block.citations, this.#length, this.#length + said.length))
    this.#length += said.length
  }

  #addThinking(thinking: string, signature: string): void {
    if (thinking !== '') this.#thinking.push(thinking)
    this.#details.push(thinkingDetail(thinking, signature, this.#place(), this.#stamp()))
  }

  #addRedacted(data: string): void {
    this.#details.push(redactedDetail(data, this.#place(), this.#stamp()))
  }

  #addCall(block: Json): void {
    const fn = { name: text(block.name) ?? '', arguments: JSON.stringify(block.input ?? {}) }
    this.#calls.push({ id: text(block.id) ?? '', type: 'function', function: fn })
  }

  #stamp(): Stamp {
    return { index: this.#details.length, model: this.#model }
  }

  #place(): { text: number; calls: number } {
    return { text: this.#length, calls: this.#calls.length }
  }
}
