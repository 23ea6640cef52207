import type { ChatRequest, ReasoningEffort } from '@llm-ferry/sdk'
import { unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'
import type { Effort, ModelTraits } from './models.ts'
import { isOwn } from './reasoning.ts'

/** What the request says of thinking. */
export interface ThinkingPlan {
  readonly thinking?: Readonly<Record<string, unknown>> | undefined
  readonly effort?: Effort | undefined
  /** Whether the caller's wish was met, at least nearly. */
  readonly applied: boolean
}

const NOTHING: ThinkingPlan = { applied: false }

// Tokens to think with, for models that are given a number.
const BUDGETS: Readonly<Record<ReasoningEffort, number>> = {
  none: 0,
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 32_768,
  max: 65_536,
}
const LEAST_BUDGET = 1024

export function planThinking(
  request: ChatRequest,
  traits: ModelTraits,
  maxTokens: number,
  target: Target,
): ThinkingPlan {
  const effort = request.reasoning_effort
  if (isForced(request)) return forced(traits, effort, target)
  if (effort === undefined) return untold(traits)
  if (effort === 'none') return { ...withoutThinking(traits, effort), applied: true }
  if (traits.thinking === 'adaptive') return adaptive(effort, traits)
  if (traits.thinking === 'budget') return budget(request, effort, traits, maxTokens, target)
  return NOTHING
}

// A forced tool and thinking exclude each other; the tool is what the answer is for.
function isForced({ tool_choice: choice }: ChatRequest): boolean {
  if (choice === undefined || typeof choice === 'string') return choice === 'required'
  return choice.type === 'allowed_tools' ? choice.allowed_tools.mode === 'required' : true
}

function forced(traits: ModelTraits, effort: ReasoningEffort | undefined, target: Target): ThinkingPlan {
  if (traits.forcedTools) return withoutThinking(traits, effort)
  throw unsupported('tool_choice', target, 'cannot be forced to use a tool, since it always thinks; send `auto`.')
}

// A model that always thinks writes what it says between tool calls into its thinking, hidden unless asked for.
function untold({ off, thinking }: ModelTraits): ThinkingPlan {
  if (off !== 'never' || thinking !== 'adaptive') return NOTHING
  return { thinking: { type: 'adaptive', display: 'summarized' }, applied: false }
}

function withoutThinking({ off, efforts }: ModelTraits, effort: ReasoningEffort | undefined): ThinkingPlan {
  if (off === 'omit') return NOTHING
  if (off !== 'never') return { thinking: { type: off }, applied: false }
  return { effort: effort === undefined ? undefined : efforts[0], applied: false }
}

function adaptive(effort: ReasoningEffort, traits: ModelTraits): ThinkingPlan {
  const thinking = traits.hidesThinking ? { type: 'adaptive', display: 'summarized' } : { type: 'adaptive' }
  return { thinking, effort: nearest(effort, traits.efforts), applied: true }
}

const ORDER: readonly ReasoningEffort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']

/** The strongest value that is not above what was asked for, or the weakest there is. */
function nearest(effort: ReasoningEffort, efforts: readonly Effort[]): Effort | undefined {
  const wanted = ORDER.indexOf(effort)
  return efforts.findLast((each) => ORDER.indexOf(each) <= wanted) ?? efforts[0]
}

function budget(
  request: ChatRequest,
  effort: ReasoningEffort,
  traits: ModelTraits,
  maxTokens: number,
  target: Target,
): ThinkingPlan {
  const budget_tokens = Math.min(BUDGETS[effort], maxTokens - 1)
  if (budget_tokens < LEAST_BUDGET || !canThink(request, target)) return NOTHING
  return { thinking: { type: 'enabled', budget_tokens }, effort: nearest(effort, traits.efforts), applied: true }
}

// With a budget, an assistant turn that called tools must begin with its thinking. A client that dropped it, or one that
// comes from another vendor, gets an answer without thinking instead of an error.
function canThink({ messages }: ChatRequest, target: Target): boolean {
  const last = messages.findLast((message) => message.role === 'assistant' || message.role === 'user')
  if (last?.role !== 'assistant' || !last.tool_calls?.length) return true
  return last.reasoning_details?.some((detail) => isOwn(detail, target)) === true
}
