import type { ChatCompletionRequest, FixtureResponse } from '@copilotkit/aimock'

const GREETING =
  '你好，我是沙箱里的模型。 Hello from the sandbox: this text crossed the SDK, the BFF and the relay, token by token.'

/**
 * What the sandbox's model says: a call of the first tool, what the tool has found, an object of a schema, or a greeting.
 * Of Gemini's requests its server passes on no schemas, so that calls there have no arguments.
 */
export function answerTo(request: ChatCompletionRequest): FixtureResponse {
  const { messages, tools, tool_choice: choice, model } = request
  const last = messages.at(-1)
  const usage = (said: string) => ({
    usage: { prompt_tokens: tokensIn(JSON.stringify([messages, tools])), completion_tokens: tokensIn(said) },
  })
  const tool = tools?.[0]?.function
  if (tool && last?.role !== 'tool' && choice !== 'none') {
    const args = JSON.stringify(sampleOf(tool.parameters))
    // The server gives calls of Gemini a finish of their own, where the vendor has none.
    const finish = model.startsWith('gemini') ? { finishReason: 'stop' } : {}
    return { toolCalls: [{ name: tool.name, arguments: args }], ...finish, ...usage(args) }
  }
  const content =
    schemaText(request) ?? (last?.role === 'tool' ? `你好，工具说 The tool says: ${textOf(last.content)}` : GREETING)
  return { content, ...usage(content) }
}

/** About as many as a vendor would count; never none. */
const tokensIn = (text: string): number => Math.ceil(text.length / 4)

function textOf(content: ChatCompletionRequest['messages'][number]['content']): string {
  return typeof content === 'string' ? content : (content ?? []).map(({ text }) => text ?? '').join('')
}

function schemaText({ response_format: format }: ChatCompletionRequest): string | undefined {
  if (format === undefined || format.type === 'text') return undefined
  const { schema } = (format.json_schema ?? {}) as { schema?: unknown }
  return JSON.stringify(schema === undefined ? { answer: GREETING } : sampleOf(schema))
}

interface Schema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly unknown[]
  readonly items?: unknown
  readonly properties?: Readonly<Record<string, unknown>>
  readonly minimum?: number
}

/** A small value that keeps to a JSON schema of the usual kinds. Gemini's spelling of types is understood. */
function sampleOf(schema: unknown): unknown {
  const { type, properties, items, anyOf, minimum, ...rest } = (schema ?? {}) as Schema
  if ('const' in rest) return rest.const
  if (rest.enum) return rest.enum[0]
  if (anyOf) return sampleOf(anyOf[0])
  switch (String(Array.isArray(type) ? type[0] : type).toLowerCase()) {
    case 'string':
      return '沙箱'
    case 'integer':
    case 'number':
      return minimum ?? 1
    case 'boolean':
      return true
    case 'array':
      return [sampleOf(items)]
    case 'null':
      return null
    default:
      return Object.fromEntries(Object.entries(properties ?? {}).map(([name, each]) => [name, sampleOf(each)]))
  }
}
