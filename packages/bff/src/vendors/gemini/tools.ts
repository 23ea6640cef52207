import type { ChatRequest, Tool } from '@llm-ferry/sdk'
import { type Json, record, text } from '../shared/json.ts'
import { invalid, unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'
import { mapSchema } from './schema.ts'

export interface ToolFields {
  readonly tools?: readonly Json[]
  readonly toolConfig?: Json
}

export function mapTools(request: ChatRequest, target: Target): ToolFields {
  const declarations = (request.tools ?? []).map((tool, index) => mapTool(tool, `tools[${index}]`, target))
  if (declarations.length === 0) return withoutTools(request)
  if (request.parallel_tool_calls === false) {
    throw unsupported('parallel_tool_calls', target, 'cannot be kept from asking for several tools at once.')
  }
  const config = callingConfig(request)
  return {
    tools: [{ functionDeclarations: declarations }],
    ...(config && { toolConfig: { functionCallingConfig: config } }),
  }
}

function mapTool(tool: Tool, param: string, target: Target): Json {
  if (tool.type !== 'function') throw unsupported(`${param}.type`, target, 'has no custom tools; use a function.')
  const { name, description, parameters } = tool.function
  return {
    name,
    ...(description !== undefined && { description }),
    ...(parameters && { parametersJsonSchema: mapSchema(parameters, `${param}.function.parameters`, target) }),
  }
}

function withoutTools({ tool_choice: choice }: ChatRequest): ToolFields {
  if (choice === undefined || choice === 'none' || choice === 'auto') return {}
  throw invalid('tool_choice', 'asks for a tool, but `tools` has none.')
}

function callingConfig(request: ChatRequest): Json | undefined {
  const choice = request.tool_choice
  const strict = request.tools?.some((tool) => tool.type === 'function' && tool.function.strict) === true
  if (choice === undefined || choice === 'auto') {
    if (strict) return { mode: 'VALIDATED' }
    return choice && { mode: 'AUTO' }
  }
  if (choice === 'none') return { mode: 'NONE' }
  if (choice === 'required') return { mode: 'ANY' }
  if (choice.type === 'function') return { mode: 'ANY', allowedFunctionNames: [choice.function.name] }
  if (choice.type === 'custom') throw invalid('tool_choice', 'names a custom tool, which `tools` has not.')
  const { mode, tools } = choice.allowed_tools
  // AUTO takes no list of names; VALIDATED leaves the choice to the model as well and takes one.
  return { mode: mode === 'required' ? 'ANY' : 'VALIDATED', allowedFunctionNames: tools.flatMap(functionName) }
}

function functionName(tool: Json): string[] {
  const name = text(record(tool.function)?.name)
  return name === undefined ? [] : [name]
}
