import type { ChatChunk, ChatCompletion } from '@llm-ferry/sdk'

type Choice = ChatCompletion['choices'][number]
type Loose = Record<string, unknown>

/** Puts chunks together into the answer that they are pieces of. */
export function accumulate(chunks: readonly ChatChunk[]): ChatCompletion {
  const choices = new Map<number, Loose>()
  let usage: unknown
  for (const chunk of chunks) {
    usage = chunk.usage ?? usage
    for (const { index, delta, finish_reason, ...rest } of chunk.choices) {
      const choice = choices.get(index) ?? { index, message: { content: null, refusal: null }, logprobs: null }
      choices.set(index, choice)
      add(choice.message as Loose, delta as Loose)
      if (finish_reason) Object.assign(choice, { finish_reason }, rest)
    }
  }
  const { id, model, service_tier } = chunks[0] as ChatChunk
  const head = { id, object: 'chat.completion' as const, created: 0, model, ...(service_tier && { service_tier }) }
  return {
    ...head,
    choices: [...choices.values()] as unknown as Choice[],
    ...(usage ? { usage } : {}),
  } as ChatCompletion
}

function add(message: Loose, delta: Loose): void {
  for (const [field, value] of Object.entries(delta)) {
    if (value === null || value === undefined) continue
    if (field === 'tool_calls') addCalls(message, value as Loose[])
    else if (Array.isArray(value)) message[field] = [...((message[field] as unknown[]) ?? []), ...value]
    else if (typeof value === 'string' && field !== 'role') message[field] = ((message[field] as string) ?? '') + value
    else message[field] = value
  }
}

function addCalls(message: Loose, pieces: readonly Loose[]): void {
  message.tool_calls ??= []
  const calls = message.tool_calls as Loose[]
  for (const { index, ...piece } of pieces) {
    const known = calls[index as number]
    const fn = piece.function as { name?: string; arguments?: string }
    if (!known) calls[index as number] = structuredClone(piece)
    else (known.function as { arguments: string }).arguments += fn.arguments ?? ''
  }
}
