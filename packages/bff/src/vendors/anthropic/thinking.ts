import type { ChatRequest, ReasoningEffort } from '@llm-ferry/sdk'
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

export function planThinking(request: ChatRequest, traits: ModelTraits, maxTokens: number): ThinkingPlan {
  const effort = request.reasoning_effort
  if (isForced(request)) return withoutThinking(traits, effort)
  if (effort === undefined) return NOTHING
  if (effort === 'none') return { ...withoutThinking(traits, effort), applied: true }
  if (traits.thinking === 'adaptive') return adaptive(effort, traits)
  if (traits.thinking === 'budget') return budget(request, effort, traits, maxTokens)
  return NOTHING
}

// A forced tool and thinking exclude each other; the tool is what the answer is for.
function isForced({ tool_choice: choice }: ChatRequest): boolean {
  if (choice === undefined || typeof choice === 'string') return choice === 'required'
  return choice.type === 'allowed_tools' ? choice.allowed_tools.mode === 'required' : true
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

function budget(request: ChatRequest, effort: ReasoningEffort, traits: ModelTraits, maxTokens: number): ThinkingPlan {
  const budget_tokens = Math.min(BUDGETS[effort], maxTokens - 1)
  if (budget_tokens < LEAST_BUDGET || !canThink(request)) return NOTHING
  return { thinking: { type: 'enabled', budget_tokens }, effort: nearest(effort, traits.efforts), applied: true }
}

// With a budget, an assistant turn that called tools must begin with its thinking. A client that dropped it, or one that
// comes from another vendor, gets an answer without thinking instead of an error.
function canThink({ messages }: ChatRequest): boolean {
  const last = messages.findLast((message) => message.role === 'assistant' || message.role === 'user')
  if (last?.role !== 'assistant' || !last.tool_calls?.length) return true
  return last.reasoning_details?.some(isOwn) === true
}
