import { anthropic } from './anthropic.ts'
import type { Dialect, DialectName } from './dialect.ts'
import { gemini } from './gemini.ts'
import { openai } from './openai.ts'

export * from './dialect.ts'

/** The dialects by name. */
export const DIALECTS: Readonly<Record<DialectName, Dialect>> = { openai, anthropic, gemini }
