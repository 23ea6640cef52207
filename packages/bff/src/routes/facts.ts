import { HEADERS } from '@llm-ferry/sdk'
import type { CallFacts, Context } from '../context.ts'
import type { AnswerHead } from '../dispatch/answer.ts'
import type { ResolvedTarget } from '../dispatch/resolve.ts'
import type { Attempted, AttemptPlace } from '../dispatch/retry.ts'

/** Keeps whom an attempt is made at: should all fail, it is the last one that tells of the call. */
export function noteAttempt({ state }: Context, { vendor, model }: ResolvedTarget, { number }: AttemptPlace): void {
  state.facts.vendor = vendor
  state.facts.model = model
  state.facts.attempts = number
}

type Served = Pick<ResolvedTarget, 'vendor' | 'model'>

/** Keeps who answered, for the access line, the metrics and the ledger. */
export function noteAnswer({ state }: Context, { target, attempts, value }: Attempted<Served, AnswerHead>): void {
  state.facts.vendor = target.vendor
  state.facts.model = target.model
  state.facts.attempts = attempts
  if (value.relay !== undefined) state.facts.relay = value.relay
}

/** Who answered, as the caller is told. */
export function ferryValues(
  { target, attempts, value }: Attempted<Served, AnswerHead>,
  { cache }: CallFacts,
): Record<string, string> {
  return {
    ...(cache === undefined ? {} : { [HEADERS.cache]: cache }),
    [HEADERS.vendor]: target.vendor,
    [HEADERS.model]: target.model,
    [HEADERS.attempts]: String(attempts),
    ...(value.relay === undefined ? {} : { [HEADERS.relay]: value.relay }),
    ...(value.dropped.length === 0 ? {} : { [HEADERS.dropped]: value.dropped.join(',') }),
  }
}
