import { type ChatChunk, type ChatCompletion, FerryError, type Usage } from '@llm-ferry/sdk'
import type { FallbackPolicy } from './alias.ts'
import { type AttemptOptions, attemptPlain, attemptStream, type PlainAnswer, type StreamAnswer } from './answer.ts'
import { follow } from './deadline.ts'
import { AttemptFailure, toFailure } from './failure.ts'
import type { PreparedTarget } from './prepare.ts'

/** Chunks held back at most until it is known whether a stream says anything; reasoning models think long. */
const MAX_HELD_CHUNKS = 20_000

/** What is known of an answer that was given up, for its line in the ledger. */
export interface Remains {
  /** The refusal in full, which is the answer when no other target has a better one. */
  readonly answer?: PlainAnswer | StreamAnswer
  /** Usage as far as the vendor told. */
  readonly usage?: Usage | undefined
}

/**
 * An attempt that was given up for the next target, as the caller's alias asks for, although the vendor may bill it.
 * Thrown only where there is a next target.
 */
export class GivenUp extends AttemptFailure {
  /** `undefined`: the vendor's answer was an error, which costs nothing. */
  readonly remains: Remains | undefined

  constructor(failure: AttemptFailure, remains?: Remains) {
    super(failure.error, failure.origin)
    this.remains = remains
  }
}

/** A whole answer, unless it is a refusal that the policy gives up. @throws {AttemptFailure} */
export async function plainOrGivenUp(
  target: PreparedTarget,
  options: AttemptOptions,
  { on }: FallbackPolicy,
): Promise<PlainAnswer> {
  if (!on.has('refusal')) return attemptPlain(target, options)
  const answer = await attemptPlain(target, options).catch(throwRefusal)
  if (isRefusal(answer.completion)) throw new GivenUp(declined(target), { answer })
  return answer
}

/**
 * A stream, unless its first token is late or it is a refusal that the policy gives up. Chunks are held back until that
 * is known. @throws {AttemptFailure}
 */
export async function streamOrGivenUp(
  target: PreparedTarget,
  options: AttemptOptions,
  policy: FallbackPolicy,
): Promise<StreamAnswer> {
  if (policy.on.size === 0) return attemptStream(target, options)
  const slow = new AbortController()
  const { firstTokenMs } = policy
  const late = (): void => slow.abort(new FerryError('upstream_timeout', `No first token within ${firstTokenMs} ms`))
  const timer = policy.on.has('slow_first_token') ? setTimeout(late, firstTokenMs) : undefined
  follow(slow, options.signal)
  let answer: StreamAnswer | undefined
  try {
    answer = await attemptStream(target, { ...options, signal: slow.signal })
    const held = await holdBack(answer, policy.on.has('refusal'), () => clearTimeout(timer))
    if (policy.on.has('refusal') && held.isRefusal) throw new GivenUp(declined(target), { answer: held.answer })
    return held.answer
  } catch (thrown) {
    const isLate = slow.signal.aborted && !options.signal.aborted
    if (isLate) throw new GivenUp(toFailure(slow.signal.reason), { usage: answer?.usage() })
    if (!policy.on.has('refusal')) throw thrown
    throw throwRefusal(thrown)
  } finally {
    clearTimeout(timer)
  }
}

/** Reads a stream up to its first token; with `untilSpoken` over what the model thinks, up to its first words or its end. */
async function holdBack(
  answer: StreamAnswer,
  untilSpoken: boolean,
  onToken: () => void,
): Promise<{ readonly answer: StreamAnswer; readonly isRefusal: boolean }> {
  const held: ChatChunk[] = []
  let batch: readonly ChatChunk[] = answer.first
  for (;;) {
    held.push(...batch)
    const hasToken = batch.some((chunk) => isSpoken(chunk) || isThought(chunk))
    if (hasToken) onToken()
    const isReleased = untilSpoken ? batch.some(isSpoken) || held.length > MAX_HELD_CHUNKS : hasToken
    if (isReleased) return { answer: { ...answer, first: held }, isRefusal: false }
    const next = await answer.rest.next()
    if (next.done) return { answer: { ...answer, first: held }, isRefusal: held.some(declines) }
    batch = next.value
  }
}

type Choice = ChatChunk['choices'][number]

const isSpoken = ({ choices }: ChatChunk): boolean =>
  choices.some(({ delta }) => delta.content || delta.tool_calls?.length || delta.audio || delta.images?.length)
const isThought = ({ choices }: ChatChunk): boolean =>
  choices.some(
    ({ delta, finish_reason }) =>
      delta.reasoning_content || delta.reasoning_details?.length || delta.refusal || finish_reason,
  )
const declines = ({ choices }: ChatChunk): boolean =>
  choices.some(({ delta, finish_reason }: Choice) => delta.refusal || finish_reason === 'content_filter')

const isRefusal = ({ choices }: ChatCompletion): boolean =>
  choices.every(({ message, finish_reason }) => finish_reason === 'content_filter' || message.refusal)

function declined({ vendor, model }: PreparedTarget): AttemptFailure {
  const message = `${vendor}/${model} declined to answer`
  return new AttemptFailure(new FerryError('content_policy_violation', message, { vendor }), 'vendor')
}

/** A vendor that refuses the prompt with an error has answered, and bills nothing. */
function throwRefusal(thrown: unknown): never {
  const failure = toFailure(thrown)
  if (failure instanceof GivenUp || failure.origin !== 'vendor') throw failure
  throw failure.error.code === 'content_policy_violation' ? new GivenUp(failure) : failure
}
