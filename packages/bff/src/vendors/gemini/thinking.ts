import type { ReasoningEffort } from '@llm-ferry/sdk'
import type { Json } from '../shared/json.ts'
import type { Level, Thinking } from './models.ts'

// Tokens to think with, for models that are given a number.
const BUDGETS: Readonly<Record<ReasoningEffort, number>> = {
  none: 0,
  minimal: 512,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 32_768,
  max: 32_768,
}

const LEVELS: Readonly<Record<ReasoningEffort, Level>> = {
  none: 'MINIMAL',
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
}

const ORDER: readonly Level[] = ['MINIMAL', 'LOW', 'MEDIUM', 'HIGH']

/** `undefined`: the model does not think, or the caller left it to the model. */
export function thinkingConfig(effort: ReasoningEffort | undefined, thinking: Thinking): Json | undefined {
  if (effort === undefined || thinking.kind === 'none') return undefined
  const shown = effort === 'none' ? {} : { includeThoughts: true }
  if (thinking.kind === 'level') return { thinkingLevel: nearest(LEVELS[effort], thinking.levels), ...shown }
  const thinkingBudget = Math.min(Math.max(BUDGETS[effort], thinking.least), thinking.most)
  return { thinkingBudget, ...shown }
}

/** The strongest level that is not above what was asked for, or the weakest there is. */
function nearest(level: Level, levels: readonly Level[]): Level | undefined {
  const wanted = ORDER.indexOf(level)
  return levels.findLast((each) => ORDER.indexOf(each) <= wanted) ?? levels[0]
}
