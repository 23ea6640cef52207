import { FerryError } from '@llm-ferry/sdk'
import type { Target } from '../vendor.ts'

export type Json = Readonly<Record<string, unknown>>

/** The value as an object, or `undefined`. */
export function record(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** The value as a count, or `undefined`: what a vendor does not tell is unknown, not 0. */
export function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

/** Data of one event as an object. What begins like one but does not end was cut on the way. */
export function parseEvent(data: string, target: Target): Json {
  const parsed = record(tryParse(data))
  if (parsed) return parsed
  if (data.startsWith('{')) throw truncated(target, 'The vendor’s stream broke off inside an event.')
  throw new FerryError('upstream_invalid', 'The vendor sent an event that is no JSON object.', {
    vendor: target.vendor,
  })
}

function tryParse(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}

/** A whole answer as an object. Text that begins like JSON but is none was cut on the way. */
export function parseAnswer(body: unknown, target: Target): Json {
  const parsed = record(body)
  if (parsed) return parsed
  const cut = typeof body === 'string' && /^\s*[{[]/.test(body)
  if (cut) throw truncated(target, 'The vendor’s answer broke off before its end.')
  throw new FerryError('upstream_invalid', 'The vendor’s answer is not the JSON object it should be.', {
    vendor: target.vendor,
  })
}

export function truncated(target: Target, message = 'The vendor’s stream broke off before its end.'): FerryError {
  return new FerryError('upstream_truncated', message, { vendor: target.vendor })
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
