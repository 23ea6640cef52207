/** How a model is told to think. */
export type Thinking = 'none' | 'budget' | 'adaptive'
/** How a model is told not to: by saying nothing, by a type of `thinking`, or it cannot be. */
export type ThinkingOff = 'omit' | 'disabled' | 'between_tools' | 'never'
export type Effort = 'low' | 'medium' | 'high' | 'xhigh' | 'max'

/** What one generation of models takes. */
export interface ModelTraits {
  /** Most tokens it writes. */
  readonly maxTokens: number
  readonly thinking: Thinking
  readonly off: ThinkingOff
  /** Values of `output_config.effort`; empty: it takes none. */
  readonly efforts: readonly Effort[]
  /** Whether thinking is shown only when asked for. */
  readonly hidesThinking: boolean
  /** Whether it takes `temperature` and `top_p` (on API version 2023-06-01 alone). */
  readonly sampling: boolean
  /** Whether it can be made to use a tool; thinking, where that can be, is turned off for it. */
  readonly forcedTools: boolean
  /** Whether it continues an assistant message that comes last. */
  readonly prefill: boolean
  /** Whether instructions may stand between turns. */
  readonly systemAnywhere: boolean
  /** Whether it keeps to a JSON Schema. */
  readonly structured: boolean
}

const THREE: readonly Effort[] = ['low', 'medium', 'high']
const FOUR: readonly Effort[] = ['low', 'medium', 'high', 'max']
const ALL: readonly Effort[] = ['low', 'medium', 'high', 'xhigh', 'max']

const V3: ModelTraits = {
  maxTokens: 4096,
  thinking: 'none',
  off: 'omit',
  efforts: [],
  hidesThinking: false,
  sampling: true,
  forcedTools: true,
  prefill: true,
  systemAnywhere: false,
  structured: false,
}
const V4: ModelTraits = { ...V3, maxTokens: 32_000, thinking: 'budget' }
const V4_5: ModelTraits = { ...V4, maxTokens: 64_000, structured: true }
const V4_6: ModelTraits = { ...V4_5, maxTokens: 128_000, thinking: 'adaptive', efforts: FOUR, prefill: false }
const V4_7: ModelTraits = { ...V4_6, efforts: ALL, hidesThinking: true, sampling: false }
const V5: ModelTraits = { ...V4_7, off: 'disabled' }
const ALWAYS: ModelTraits = { ...V5, off: 'never', forcedTools: false, systemAnywhere: true }
// A model that no line knows is let try.
const UNKNOWN: ModelTraits = { ...ALWAYS, forcedTools: true }

// By beginning of the name, the first that fits. Names no line fits are read as the newest generation.
const MODELS: readonly (readonly [prefix: string, traits: ModelTraits])[] = [
  ['claude-3-7', { ...V4, maxTokens: 64_000 }],
  ['claude-3-5', { ...V3, maxTokens: 8192 }],
  ['claude-3', V3],
  ['claude-opus-4-1', { ...V4, structured: true }],
  ['claude-opus-4-5', { ...V4_5, efforts: THREE }],
  ['claude-sonnet-4-5', V4_5],
  ['claude-haiku-4-5', V4_5],
  ['claude-opus-4-6', V4_6],
  ['claude-sonnet-4-6', V4_6],
  ['claude-opus-4-7', V4_7],
  ['claude-opus-4-8', { ...V4_7, systemAnywhere: true }],
  ['claude-opus-4', V4],
  ['claude-sonnet-4', { ...V4, maxTokens: 64_000 }],
  ['claude-opus-5-5', ALWAYS],
  ['claude-fable', ALWAYS],
  ['claude-mythos-preview', { ...V4_7, off: 'never', forcedTools: false }],
  ['claude-mythos', ALWAYS],
  ['claude-sonnet-5-5', { ...V5, off: 'between_tools', systemAnywhere: true }],
  ['claude-haiku-5-5', { ...V5, systemAnywhere: true }],
  ['claude-opus-5', { ...V5, systemAnywhere: true }],
  ['claude-sonnet-5', V5],
]

export function traitsOf(model: string): ModelTraits {
  return MODELS.find(([prefix]) => model.startsWith(prefix))?.[1] ?? UNKNOWN
}
