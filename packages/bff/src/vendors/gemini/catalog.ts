import type { KnownModel } from '../vendor.ts'

const chat = (id: string): KnownModel => ({
  id,
  object: 'model',
  created: 0,
  max_output_tokens: 65_536,
  capabilities: {
    stream: true,
    tools: true,
    vision: true,
    documents: true,
    audio_input: true,
    audio_output: false,
    structured_output: true,
    reasoning: true,
    embeddings: false,
  },
})

/** Models to list without configuration. */
export const models: readonly KnownModel[] = [
  chat('gemini-3.8-flash'),
  chat('gemini-3.1-pro-preview'),
  { id: 'gemini-embedding-001', object: 'model', created: 0, capabilities: { embeddings: true } },
]

/** Whether a bare name is one of this vendor's models, listed above or not. */
export function claims(model: string): boolean {
  return /^(?:gemini-|gemma-|models\/)/.test(model)
}
