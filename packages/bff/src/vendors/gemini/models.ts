export type Level = 'MINIMAL' | 'LOW' | 'MEDIUM' | 'HIGH'

/** How a model is told how much to think. */
export type Thinking =
  | { readonly kind: 'none' }
  /** A number of tokens. `least` is 0 where thinking can be off. */
  | { readonly kind: 'budget'; readonly least: number; readonly most: number }
  | { readonly kind: 'level'; readonly levels: readonly Level[] }

/** What one generation of models takes. */
export interface ModelTraits {
  readonly thinking: Thinking
  /** Whether a function call without its signature is refused in the next turn. */
  readonly signed: boolean
  /** Whether functions and a JSON answer may be asked for together. */
  readonly toolsWithJson: boolean
  /** Whether a function's result may carry images and files. */
  readonly richResults: boolean
}

const ALL: readonly Level[] = ['MINIMAL', 'LOW', 'MEDIUM', 'HIGH']
const V2: ModelTraits = { thinking: { kind: 'none' }, signed: false, toolsWithJson: false, richResults: false }
const V3: ModelTraits = {
  thinking: { kind: 'level', levels: ALL },
  signed: true,
  toolsWithJson: true,
  richResults: true,
}

// By beginning of the name, the first that fits. Names no line fits are read as the newest generation.
const MODELS: readonly (readonly [prefix: string, traits: ModelTraits])[] = [
  ['gemini-1', V2],
  ['gemini-2.0', V2],
  ['gemma', V2],
  ['gemini-2.5-pro', { ...V2, thinking: { kind: 'budget', least: 128, most: 32_768 } }],
  ['gemini-2.5-flash-lite', { ...V2, thinking: { kind: 'budget', least: 0, most: 24_576 } }],
  ['gemini-2.5-flash-image', V2],
  ['gemini-2.5', { ...V2, thinking: { kind: 'budget', least: 0, most: 24_576 } }],
  ['gemini-3-pro', { ...V3, thinking: { kind: 'level', levels: ['LOW', 'HIGH'] } }],
  ['gemini-3.1-pro', { ...V3, thinking: { kind: 'level', levels: ['LOW', 'MEDIUM', 'HIGH'] } }],
]

export function traitsOf(model: string): ModelTraits {
  return MODELS.find(([prefix]) => model.startsWith(prefix))?.[1] ?? V3
}
