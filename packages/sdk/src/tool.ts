import type { ChatInputMessage } from './params.ts'
import type { ToolCall } from './schema/message.ts'
import type { FunctionTool } from './schema/tool.ts'
import {
  type AnySchema,
  describeIssues,
  type JsonSchemaObject,
  type OutputOf,
  toJsonSchema,
  validate,
} from './standard-schema.ts'

/** What a tool knows about the call that runs it. */
export interface ToolContext {
  /** Aborted when the answer is left. */
  readonly signal: AbortSignal
  readonly toolCallId: string
  /** The conversation up to the call. */
  readonly messages: readonly ChatInputMessage[]
}

/** A tool as you define it. */
export interface ToolDefinition<Schema extends AnySchema, Output> {
  /** 1 to 64 of letters, digits, `_` and `-`. */
  readonly name: string
  /** When and how to use it: the model reads this. */
  readonly description?: string | undefined
  /** The arguments: a zod or other Standard Schema of an object, or a JSON Schema. */
  readonly parameters: Schema
  /** JSON Schema of `parameters`, for a Standard Schema that cannot give its own. */
  readonly jsonSchema?: JsonSchemaObject | undefined
  /** Whether arguments always fit the schema, where the vendor can see to that. Default: the vendor's. */
  readonly strict?: boolean | undefined
  /**
   * Runs the tool. What it returns goes to the model, as JSON unless it is a string; what it throws goes there as a
   * failure, with the error's message. Without it the loop stops and gives the call to you.
   */
  readonly execute?: ((input: OutputOf<Schema>, context: ToolContext) => Output | Promise<Output>) | undefined
  /** Whether each call, or calls with certain arguments, need the approval of `approve`. Default false. */
  readonly needsApproval?: boolean | ((input: OutputOf<Schema>) => boolean | Promise<boolean>) | undefined
}

/** A call with arguments that fit, ready to run. */
export interface PreparedCall {
  readonly input: unknown
  readonly needsApproval: boolean
  run(context: ToolContext): Promise<unknown>
}

/** A tool for {@link Chat.run} and {@link Ferry.conversation}; its types are forgotten, its checks are not. */
export interface FerryTool {
  readonly name: string
  /** How a request names it. */
  readonly definition: FunctionTool
  /** Whether the loop can run it. */
  readonly isRunnable: boolean
  /** Checks a call's arguments. Throws what is wrong with them, in words for the model. */
  prepare(call: ToolCall): Promise<PreparedCall>
}

/**
 * Defines a tool with typed arguments.
 *
 * Throws a TypeError when the schema has no JSON Schema form and none is given.
 *
 * @example
 * const weather = tool({
 *   name: 'weather',
 *   description: 'Weather of a city now.',
 *   parameters: z.object({ city: z.string() }),
 *   execute: ({ city }) => fetchWeather(city),
 * })
 * const { text } = await ferry.chat.run({ model, messages, tools: [weather] })
 */
export function tool<const Schema extends AnySchema, Output>(definition: ToolDefinition<Schema, Output>): FerryTool {
  const { name, description, parameters, strict, execute, needsApproval = false } = definition
  return {
    name,
    definition: {
      type: 'function',
      function: {
        name,
        parameters: toJsonSchema(parameters, definition.jsonSchema),
        ...(description !== undefined && { description }),
        ...(strict !== undefined && { strict }),
      },
    },
    isRunnable: execute !== undefined,
    async prepare(call) {
      const checked = await validate(parameters, parseArguments(call))
      if (checked.issues) throw new TypeError(`The arguments do not fit: ${describeIssues(checked.issues)}`)
      const input = checked.value as OutputOf<Schema>
      return {
        input,
        needsApproval: typeof needsApproval === 'function' ? await needsApproval(input) : needsApproval,
        run: async (context) => execute?.(input, context),
      }
    },
  }
}

function parseArguments(call: ToolCall): unknown {
  const text = call.type === 'function' ? call.function.arguments : call.custom.input
  try {
    return JSON.parse(text.trim() === '' ? '{}' : text)
  } catch {
    throw new TypeError('The arguments are not JSON.')
  }
}
