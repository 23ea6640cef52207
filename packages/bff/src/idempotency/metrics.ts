import { Counter, type Registry } from '@llm-ferry/kit'

/** What a request with a key came to. */
export type Repeat = 'new' | 'attached' | 'taken_over' | 'stored' | 'mismatch' | 'lost'

/** Counts of requests with an Idempotency-Key. */
export interface IdempotencyMetrics {
  repeat(result: Repeat): void
  /** An answer was stored. */
  stored(bytes: number): void
  /** A call went on although the store did not answer: other processes do not know of it. */
  unguarded(): void
}

export function createIdempotencyMetrics(registry: Registry): IdempotencyMetrics {
  const registers = [registry]
  const requests = new Counter({
    name: 'ferry_idempotent_requests_total',
    help: 'Requests with an Idempotency-Key, by what they came to: new, attached, taken_over, stored, mismatch or lost.',
    labelNames: ['result'] as const,
    registers,
  })
  const bytes = new Counter({
    name: 'ferry_idempotent_stored_bytes_total',
    help: 'Bytes of answers stored for repeats.',
    registers,
  })
  const unguarded = new Counter({
    name: 'ferry_idempotent_unguarded_total',
    help: 'Times that the store did not answer, so that other processes could not know of a call.',
    registers,
  })
  return {
    repeat: (result) => requests.inc({ result }),
    stored: (length) => bytes.inc(length),
    unguarded: () => unguarded.inc(),
  }
}
