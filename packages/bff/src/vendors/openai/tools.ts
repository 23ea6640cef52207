import type { Tool } from '@llm-ferry/sdk'
import type { Target } from '../vendor.ts'
import { isStrict } from './strict.ts'

export function mapTools(tools: readonly Tool[] | undefined, target: Target): readonly unknown[] | undefined {
  if (!tools || !isStrict(target)) return tools
  return tools.map((tool) => {
    if (tool.type !== 'function' || tool.cache_control === undefined) return tool
    return { type: tool.type, function: tool.function }
  })
}
