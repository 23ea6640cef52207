import type { AssistantMessage } from '@llm-ferry/sdk'
import { plainText } from '../shared/content.ts'
import { functionCall, parseArguments } from '../shared/conversation.ts'
import { unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'
import { imagePart, type Part, textParts } from './content.ts'
import type { ModelTraits } from './models.ts'
import { isOwn, type Mark, markOf, NO_SIGNATURE } from './reasoning.ts'

type PlacedMark = Exclude<Mark, { kind: 'call' }>

/** Parts of an earlier answer, its thoughts and signatures back where they stood. */
export function assistantParts(message: AssistantMessage, param: string, traits: ModelTraits, target: Target): Part[] {
  if (message.audio) throw unsupported(`${param}.audio`, target, 'keeps no audio; send its transcript as content.')
  const marks = (message.reasoning_details ?? []).filter((detail) => isOwn(detail, target)).map(markOf)
  const calls = callParts(message, marks, param, traits, target)
  const text = plainText(message.content) + (message.refusal ?? '')
  const placed = marks.filter((mark): mark is PlacedMark => mark.kind !== 'call')
  const images = (message.images ?? []).map((image, index) =>
    imagePart(image, `${param}.images[${index}].image_url.url`, target),
  )
  return [...replay(placed, text, calls), ...images]
}

function callParts(
  message: AssistantMessage,
  marks: readonly Mark[],
  param: string,
  traits: ModelTraits,
  target: Target,
): Part[] {
  const signatures = new Map(marks.flatMap((mark) => (mark.kind === 'call' ? [[mark.id, mark.signature]] : [])))
  return (message.tool_calls ?? []).map((call, index) => {
    const at = `${param}.tool_calls[${index}]`
    const { id, function: fn } = functionCall(call, at, target)
    const args = parseArguments(fn.arguments, `${at}.function.arguments`)
    // Only the first of parallel calls is signed by the vendor.
    const signature = signatures.get(id) ?? (traits.signed && index === 0 ? NO_SIGNATURE : undefined)
    const part = { functionCall: { id, name: fn.name, args } }
    return signature === undefined ? part : { ...part, thoughtSignature: signature }
  })
}

function replay(marks: readonly PlacedMark[], text: string, calls: readonly Part[]): Part[] {
  const out: Part[] = []
  let said = 0
  let called = 0
  for (const mark of marks) {
    const { start, end, calls: after } = mark.place
    out.push(...textParts(text.slice(said, Math.max(said, start))))
    said = Math.max(said, start)
    out.push(...calls.slice(called, Math.max(called, after)))
    called = Math.max(called, after)
    if (mark.kind === 'thought') out.push(mark.part)
    else out.push({ text: text.slice(said, Math.max(said, end)), thoughtSignature: mark.signature })
    said = mark.kind === 'text' ? Math.max(said, end) : said
  }
  return [...out, ...textParts(text.slice(said)), ...calls.slice(called)]
}
