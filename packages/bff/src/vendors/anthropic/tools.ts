import type { ChatRequest, Tool } from '@llm-ferry/sdk'
import type { CallNames } from '../shared/conversation.ts'
import { type Json, record, text } from '../shared/json.ts'
import { invalid, unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'
import { inputSchema, strictSchema } from './schema.ts'

export interface ToolFields {
  readonly tools?: readonly Json[]
  readonly tool_choice?: Json
}

export function mapTools(request: ChatRequest, used: CallNames, target: Target): ToolFields {
  const tools = (request.tools ?? []).map((tool, index) => mapTool(tool, `tools[${index}]`, target))
  if (tools.length === 0) return withoutTools(request, used)
  const allowed = allowedNames(request)
  const choice = mapChoice(request)
  return {
    tools: allowed ? tools.filter((tool) => allowed.has(tool.name)) : tools,
    ...(choice && { tool_choice: choice }),
  }
}

function mapTool(tool: Tool, param: string, target: Target): Json {
  if (tool.type !== 'function') throw unsupported(`${param}.type`, target, 'has no custom tools; use a function.')
  const { name, description, parameters, strict } = tool.function
  const at = `${param}.function.parameters`
  const schema = inputSchema(parameters, at, target)
  return {
    name,
    ...(description !== undefined && { description }),
    input_schema: strict ? strictSchema(schema, at, target) : schema,
    ...(strict && { strict }),
    ...(tool.cache_control && { cache_control: tool.cache_control }),
  }
}

// A conversation that used tools must name them, even when none is offered any more.
function withoutTools({ tool_choice: choice }: ChatRequest, used: CallNames): ToolFields {
  if (choice !== undefined && choice !== 'none' && choice !== 'auto') {
    throw invalid('tool_choice', 'asks for a tool, but `tools` has none.')
  }
  if (used.size === 0) return {}
  const names = [...new Set(used.values())]
  return {
    tools: names.map((name) => ({ name, input_schema: { type: 'object', properties: {} } })),
    tool_choice: { type: 'none' },
  }
}

function allowedNames({ tool_choice: choice }: ChatRequest): ReadonlySet<unknown> | undefined {
  if (typeof choice !== 'object' || choice.type !== 'allowed_tools') return undefined
  return new Set(choice.allowed_tools.tools.map((tool) => text(record(tool.function)?.name)))
}

function mapChoice(request: ChatRequest): Json | undefined {
  const choice = namedChoice(request.tool_choice)
  if (request.parallel_tool_calls !== false || choice?.type === 'none') return choice
  return { ...(choice ?? { type: 'auto' }), disable_parallel_tool_use: true }
}

function namedChoice(choice: ChatRequest['tool_choice']): Json | undefined {
  if (choice === undefined) return undefined
  if (typeof choice === 'string') return { type: choice === 'required' ? 'any' : choice }
  if (choice.type === 'function') return { type: 'tool', name: choice.function.name }
  if (choice.type === 'custom') throw invalid('tool_choice', 'names a custom tool, which `tools` has not.')
  return { type: choice.allowed_tools.mode === 'required' ? 'any' : 'auto' }
}
