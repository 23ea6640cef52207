import type { AssistantMessage, ReasoningDetail } from '@llm-ferry/sdk'
import { plainText } from '../shared/content.ts'
import { functionCall, parseArguments } from '../shared/conversation.ts'
import { unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'
import { type Block, textBlocks } from './content.ts'
import { toolId } from './ids.ts'
import { blockOf, isOwn } from './reasoning.ts'

/** Blocks of an earlier answer, its thinking back where it stood. */
export function assistantBlocks(message: AssistantMessage, param: string, target: Target): Block[] {
  if (message.images?.length) throw unsupported(`${param}.images`, target, 'takes no images in assistant messages.')
  if (message.audio) throw unsupported(`${param}.audio`, target, 'takes no audio.')
  const calls = (message.tool_calls ?? []).map((call, index) => {
    const at = `${param}.tool_calls[${index}]`
    const { id, function: fn } = functionCall(call, at, target)
    const input = parseArguments(fn.arguments, `${at}.function.arguments`)
    return { type: 'tool_use', id: toolId(id), name: fn.name, input }
  })
  const own = (message.reasoning_details ?? []).filter((detail) => isOwn(detail, target))
  const spoken = spokenBlocks(message)
  return own.length === 0 ? [...spoken, ...calls] : interleave(own, message, spoken, calls)
}

function spokenBlocks({ content, refusal }: AssistantMessage): Block[] {
  const blocks = typeof content === 'string' ? textBlocks(content) : (content ?? []).flatMap(partBlocks)
  return refusal === undefined ? blocks : [...blocks, ...textBlocks(refusal)]
}

function partBlocks(part: Exclude<AssistantMessage['content'], string | undefined>[number]): Block[] {
  return part.type === 'text' ? textBlocks(part.text, part.cache_control) : textBlocks(part.refusal)
}

function interleave(
  details: readonly ReasoningDetail[],
  message: AssistantMessage,
  spoken: Block[],
  calls: Block[],
): Block[] {
  const placed = details.map(blockOf)
  const first = placed.every(({ place }) => place.text === 0 && place.calls === 0)
  if (first) return [...placed.map(({ block }) => block), ...spoken, ...calls]
  return replay(placed, plainText(message.content), calls)
}

function replay(placed: readonly ReturnType<typeof blockOf>[], text: string, calls: readonly Block[]): Block[] {
  const out: Block[] = []
  let said = 0
  let called = 0
  for (const { block, place } of placed) {
    out.push(...textBlocks(text.slice(said, Math.max(said, place.text))))
    said = Math.max(said, place.text)
    out.push(...calls.slice(called, Math.max(called, place.calls)), block)
    called = Math.max(called, place.calls)
  }
  return [...out, ...textBlocks(text.slice(said)), ...calls.slice(called)]
}
