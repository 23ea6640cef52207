import type { KnownModel } from '../vendor.ts'

const chat = (id: string, reasoning: boolean): KnownModel => ({
  id,
  object: 'model',
  created: 0,
  capabilities: { stream: true, tools: true, vision: true, documents: true, structured_output: true, reasoning },
})

/** Models to list without configuration. */
export const models: readonly KnownModel[] = [
  chat('gpt-5', true),
  chat('gpt-5-mini', true),
  chat('gpt-4.1', false),
  { id: 'text-embedding-3-small', object: 'model', created: 0, capabilities: { embeddings: true } },
]

/** Whether a bare name is one of this vendor's models, listed above or not. */
export function claims(model: string): boolean {
  return /^(?:gpt-|chatgpt-|o\d|text-embedding-|codex-)/.test(model)
}
