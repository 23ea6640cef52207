import { anthropic } from './anthropic/index.ts'
import { gemini } from './gemini/index.ts'
import { openai } from './openai/index.ts'
import type { VendorAdapter } from './vendor.ts'

/** Every dialect spoken here, by the name that the configuration uses. A new one is a folder, its import and a line. */
export const DIALECTS: Readonly<Record<string, VendorAdapter>> = {
  openai,
  anthropic,
  gemini,
}
