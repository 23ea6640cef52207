import { type ErrorCode, FerryError, type FinishReason } from '@llm-ferry/sdk'
import type { Target } from '../vendor.ts'

const KNOWN = new Set<unknown>(['stop', 'length', 'tool_calls', 'content_filter', 'function_call'])

// Words of vendors who speak this dialect with an accent.
const ALIASES: ReadonlyMap<string, FinishReason> = new Map([
  ['sensitive', 'content_filter'],
  ['safety', 'content_filter'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
])

// The vendor gave up half way: what it wrote must not pass for an answer.
const FAILURES: ReadonlyMap<string, ErrorCode> = new Map([
  ['insufficient_system_resource', 'vendor_overloaded'],
  ['network_error', 'vendor_error'],
  ['error', 'vendor_error'],
])

/** Whether the reason is in OpenAI's own words, or none yet. */
export function isPlain(reason: unknown): boolean {
  return reason === null || KNOWN.has(reason)
}

/** The unified reason for any word; throws when the word means that the vendor failed. `''` is no reason. */
export function finishReason(reason: string, target: Target): FinishReason | null {
  const failure = FAILURES.get(reason)
  if (failure) {
    const message = `The vendor stopped before the answer was complete (${reason}).`
    throw new FerryError(failure, message, { vendor: target.vendor, vendorCode: reason })
  }
  if (reason === '') return null
  return KNOWN.has(reason) ? (reason as FinishReason) : (ALIASES.get(reason) ?? 'stop')
}
