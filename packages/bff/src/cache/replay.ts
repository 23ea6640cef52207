import type { ChatChunk } from '@llm-ferry/sdk'
import type { PlainAnswer, StreamAnswer } from '../dispatch/answer.ts'
import type { Attempted } from '../dispatch/retry.ts'
import type { KeptAnswer } from './answer.ts'
import { asChunks, asCompletion } from './forms.ts'
import type { AnsweredBy, Found } from './turn.ts'

/** Who answered. */
export type Served = Pick<KeptAnswer, 'vendor' | 'model'>

/** Chunks that are written in one piece. */
const BATCH = 64

/** A found answer as if a vendor had just given it, after no attempt. */
export function plainFrom({ answer }: Found): Attempted<Served, PlainAnswer> {
  return answered(answer, { completion: asCompletion(answer.body), relay: undefined, dropped: answer.dropped })
}

/** The same as a stream. */
export function streamFrom({ answer }: Found): Attempted<Served, StreamAnswer> {
  const chunks = asChunks(answer.body)
  const [first, rest] = [chunks.slice(0, BATCH), batches(chunks.slice(BATCH))]
  return answered(answer, { first, rest, usage: () => undefined, relay: undefined, dropped: answer.dropped })
}

/** Who gave the answer that is to be kept. */
export function answeredBy({ target, value }: Attempted<Served, { readonly dropped: readonly string[] }>): AnsweredBy {
  return { vendor: target.vendor, model: target.model, dropped: value.dropped }
}

function answered<T>({ vendor, model }: KeptAnswer, value: T): Attempted<Served, T> {
  return { value, target: { vendor, model }, attempts: 0 }
}

async function* batches(chunks: readonly ChatChunk[]): AsyncGenerator<readonly ChatChunk[], void> {
  for (let i = 0; i < chunks.length; i += BATCH) yield chunks.slice(i, i + BATCH)
}
