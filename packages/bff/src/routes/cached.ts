import type { ChatRequest } from '@llm-ferry/sdk'
import type { CallToCache } from '../cache/cache.ts'
import type { CacheTurn, Found } from '../cache/turn.ts'
import type { CallFacts, Context } from '../context.ts'
import type { Deadline } from '../dispatch/deadline.ts'

/** How long a stream waits for another call that asks the same, in ms: users wait for its first words. */
const STREAM_PATIENCE_MS = 10_000

/** What the cache has to know of a call. */
export function toCache(
  context: Context,
  user: string,
  request: ChatRequest,
  targets: CallToCache['targets'],
): CallToCache {
  return { key: context.state.caller.key, user, control: context.get('cache-control'), request, targets }
}

/** Ends a call’s wait for another one that asks the same. */
export function patience({ signal }: Deadline, { stream }: ChatRequest): AbortSignal {
  return stream ? AbortSignal.any([signal, AbortSignal.timeout(STREAM_PATIENCE_MS)]) : signal
}

/** Keeps what the cache had, for the access line, the metrics and the ledger. */
export function noteCache(facts: CallFacts, found: Found | undefined): void {
  facts.cache = found ? 'hit' : 'miss'
  if (!found) return
  facts.vendor = found.answer.vendor
  facts.model = found.answer.model
  if (found.savedNanos !== undefined) facts.savedNanos = found.savedNanos
}

/** The found answer goes to its caller, who is told how old it is in seconds (RFC 9111). */
export function noteServed(context: Context, turn: CacheTurn | undefined, found: Found): void {
  turn?.served(found)
  context.set('age', String(Math.max(0, Math.floor((Date.now() - found.answer.at) / 1000))))
}
