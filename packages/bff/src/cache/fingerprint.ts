import { createHash } from 'node:crypto'
import type { ChatRequest } from '@llm-ferry/sdk'

/** What an answer is found by, and sealed with. Both come from the request alone. */
export interface Fingerprint {
  /** Name of the entry; says nothing of the request to who does not know it already. */
  readonly name: string
  /** Key of AES-256 that only the same request yields. */
  readonly key: Buffer
}

/** What makes two requests the same, besides their fields. */
export interface Identity {
  /** Who shares the answer, such as the key’s name. */
  readonly owner: readonly string[]
  /** Every `vendor/model` that may answer. */
  readonly models: readonly string[]
}

/** Raised when entries of before can no longer be read. */
const VERSION = 1

/** Fields that change how an answer is sent, counted or billed, and not what it says. */
const SILENT = new Set([
  'model',
  'stream',
  'stream_options',
  'user',
  'safety_identifier',
  'metadata',
  'store',
  'prompt_cache_key',
  'prompt_cache_retention',
])

/**
 * The fingerprint of a checked request.
 *
 * Checking has put the known fields in one order and taken nulls out, so text is compared. What it leaves as it was
 * (schemas, arguments) is compared as it stands: models read the order of a schema’s fields, and answer in it.
 */
export function fingerprint(request: Readonly<Record<string, unknown>>, { owner, models }: Identity): Fingerprint {
  const fields = Object.entries(request)
    .filter(([name, value]) => !SILENT.has(name) && value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const text = JSON.stringify([VERSION, owner, [...new Set(models)].sort(), fields])
  const digest = createHash('sha512').update(text).digest()
  return { name: digest.subarray(0, 32).toString('base64url'), key: digest.subarray(32) }
}

/**
 * Whether another call may be answered with what this one gets: not when the vendor looks things up or does them, keeps
 * the answer under its id, or speaks it.
 */
export function isRepeatable(request: ChatRequest): boolean {
  const { store, web_search_options, modalities, tools = [] } = request
  if (store === true || web_search_options !== undefined || modalities?.includes('audio')) return false
  return tools.every(({ type }) => type === 'function' || type === 'custom')
}
