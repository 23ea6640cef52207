import type { Target } from '../vendor.ts'

/**
 * Whether the target is OpenAI itself, which refuses fields it does not know inside messages. The others who speak its
 * dialect ignore them, and some need them: reasoning to be echoed, cache marks.
 */
export function isStrict(target: Target): boolean {
  return target.vendor === 'openai'
}
