import type { KnownModel } from '../vendor.ts'
import { traitsOf } from './models.ts'

const CAPABILITIES = {
  stream: true,
  tools: true,
  vision: true,
  documents: true,
  audio_input: false,
  audio_output: false,
}

/** Models to list without configuration. */
export const models: readonly KnownModel[] = [
  'claude-opus-5-5',
  'claude-sonnet-5-5',
  'claude-haiku-5-5',
  'claude-haiku-4-5',
].map((id): KnownModel => {
  const { maxTokens, thinking, structured } = traitsOf(id)
  const capabilities = {
    ...CAPABILITIES,
    structured_output: structured,
    reasoning: thinking !== 'none',
    embeddings: false,
  }
  return { id, object: 'model', created: 0, max_output_tokens: maxTokens, capabilities }
})

/** Whether a bare name is one of this vendor's models, listed above or not. */
export function claims(model: string): boolean {
  return /^claude-/.test(model)
}
