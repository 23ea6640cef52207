import { type ChatChunk, type ChatRequest, parseChatRequest } from '@llm-ferry/sdk/schema'
import { answerJson, setHeaders } from '../answer.ts'
import type { AnswerCache } from '../cache/cache.ts'
import { answeredBy, plainFrom, type Served, streamFrom } from '../cache/replay.ts'
import type { CacheTurn, Found } from '../cache/turn.ts'
import type { Context, Middleware } from '../context.ts'
import { type FallbackOf, type FallbackPolicy, NO_FALLBACK } from '../dispatch/alias.ts'
import type { AttemptOptions, PlainAnswer, StreamAnswer } from '../dispatch/answer.ts'
import type { Breakers } from '../dispatch/breakers.ts'
import { callTimeoutMs, Deadline } from '../dispatch/deadline.ts'
import { toFailure } from '../dispatch/failure.ts'
import { GivenUp, plainOrGivenUp, streamOrGivenUp } from '../dispatch/given-up.ts'
import { type PreparedTarget, prepareChat } from '../dispatch/prepare.ts'
import type { Resolver } from '../dispatch/resolve.ts'
import { type Attempted, attemptTargets } from '../dispatch/retry.ts'
import type { RetryBudgets } from '../dispatch/retry-budget.ts'
import { EventStream } from '../event-stream.ts'
import type { InlineImages } from '../images/inline-images.ts'
import { permitted } from '../keys/access.ts'
import type { CallAccount } from '../limits/account.ts'
import { counted } from '../limits/fallback.ts'
import { readJson } from '../middleware/body.ts'
import type { KeptReasoning } from '../reasoning/kept-reasoning.ts'
import { StreamedTurn } from '../reasoning/streamed-turn.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Sender, Transport } from '../transport.ts'
import { type AdmissionOptions, admit, closeAccount, endUser, leaving } from './admission.ts'
import { noteCache, noteServed, patience, toCache } from './cached.ts'
import { ferryValues, noteAnswer, noteAttempt } from './facts.ts'

export interface ChatOptions extends AdmissionOptions {
  readonly cache: AnswerCache
  readonly reasoning: KeptReasoning
  readonly images: InlineImages
  readonly breakers: Breakers
  readonly repeats: RetryBudgets
  readonly fallbackOf: FallbackOf
  readonly resolve: Resolver
  readonly transport: Transport
  readonly telemetry: Telemetry
  readonly maxBodyBytes: number
  readonly requestTimeoutMs: number
  readonly maxRequestTimeoutMs: number
  readonly streamIdleTimeoutMs: number
  readonly maxRetries: number
  /** How long the head waits for the first event, and the pace of heartbeats after it, in ms. */
  readonly streamHeartbeatMs: number
}

type Targets = readonly [PreparedTarget, ...PreparedTarget[]]

/** One call as its steps hand it on. */
interface Call {
  readonly context: Context
  readonly request: ChatRequest
  readonly targets: Targets
  readonly fallback: FallbackPolicy
  readonly deadline: Deadline
  readonly account: CallAccount
  readonly sender: Sender
  /** The caller has left. */
  readonly left: AbortSignal
  /** The call's turn at the cache; `undefined`: it is not to be cached. */
  readonly turn: CacheTurn | undefined
  /** The answer that the cache had. */
  readonly found: Found | undefined
}

/**
 * `POST /v1/chat/completions`: the normalized chat.
 *
 * @param vendorOf names the vendor where the path and not the model does (`/proxy/{vendor}/chat/completions`).
 */
export function chat(
  options: ChatOptions,
  vendorOf: (context: Context) => string | undefined = () => undefined,
): Middleware {
  return async function chat(context) {
    const asked = parseChatRequest(await readJson(context, options.maxBodyBytes))
    const request = await options.reasoning.restore(context.state.caller.key, asked)
    const model = modelOf(request, vendorOf(context))
    const left = leaving(context)
    const known = permitted(context.state.caller.access, options.resolve(model))
    const resolved = context.state.call?.targets(known) ?? known
    const inlined = await options.images.inline(request, resolved[0]?.adapter.needsBytes, left)
    const targets = prepareChat(inlined, resolved)
    const { facts } = context.state
    facts.vendor = targets[0].vendor
    facts.model = targets[0].model
    facts.stream = request.stream === true
    const user = endUser(context, request.safety_identifier, request.user)
    const deadline = new Deadline(callTimeoutMs(context.req.headers, targets[0].timeoutMs, options), left)
    // What another process has begun is not to be had from anybody else.
    const turn = context.state.call?.isTakeover
      ? undefined
      : options.cache.turn(toCache(context, user, { ...inlined, model }, targets))
    try {
      const found = await turn?.find(patience(deadline, request))
      deadline.signal.throwIfAborted()
      if (turn) noteCache(facts, found)
      const account = await admit(context, options, user, request, found !== undefined)
      if (found) noteServed(context, turn, found)
      const fallback = options.fallbackOf(model)
      const sender = options.transport.for({ key: context.state.caller.key, user }, context.state.call)
      await answer({ context, request, targets, fallback, deadline, account, sender, left, turn, found }, options)
    } finally {
      deadline.met()
      turn?.end(left.aborted ? 'left' : 'alone')
    }
  }
}

/** Answers an admitted call, and charges it whatever comes of it. */
async function answer(call: Call, options: ChatOptions): Promise<void> {
  const { context, request, account } = call
  try {
    await (request.stream ? streamed(call, options) : plain(call, options))
  } catch (thrown) {
    const failure = toFailure(thrown)
    account.fail(failure)
    throw failure.error
  } finally {
    await closeAccount(context, account)
  }
}

function modelOf({ model }: ChatRequest, vendor: string | undefined): string {
  return vendor === undefined || model.startsWith(`${vendor}/`) ? model : `${vendor}/${model}`
}

/** One attempt, given up where the policy says so. */
type Attempt<T> = (target: PreparedTarget, options: AttemptOptions, policy: FallbackPolicy) => Promise<T>

/** Tries the call's targets, each attempt behind its model's breaker and counted at its vendor. */
function attempted<T>(call: Call, options: ChatOptions, attempt: Attempt<T>): Promise<Attempted<PreparedTarget, T>> {
  const { context, request, targets, fallback, deadline, account, sender } = call
  const { key } = context.state.caller
  const { telemetry, breakers, repeats, maxRetries, streamIdleTimeoutMs: idleTimeoutMs } = options
  repeats.deposit(key)
  const around = { sender, request, signal: deadline.signal, idleTimeoutMs }
  const one = counted(account, (target: PreparedTarget, place) =>
    breakers.run(target, async () => {
      noteAttempt(context, target, place)
      try {
        return await attempt(target, around, place.hasNext ? fallback : NO_FALLBACK)
      } catch (error) {
        if (error instanceof GivenUp) telemetry.attemptGivenUp(target.vendor, error.error.code)
        throw error
      }
    }),
  )
  return attemptTargets(targets, one, { maxRetries, deadline, takeRepeat: () => repeats.take(key) })
}

async function plain(call: Call, options: ChatOptions): Promise<void> {
  const { context, found } = call
  const answered = found ? plainFrom(found) : await attempted<PlainAnswer>(call, options, plainOrGivenUp)
  call.account.serve(answered.value)
  noteAnswer(context, answered)
  call.account.meter.complete(answered.value.completion)
  context.state.facts.firstByteSeconds = (performance.now() - context.state.arrivedAt) / 1000
  const [choice] = answered.value.completion.choices
  if (choice) await options.reasoning.keep(context.state.caller.key, choice.message)
  if (!found) await call.turn?.keepPlain(answeredBy(answered), answered.value.completion)
  setHeaders(context, ferryValues(answered, context.state.facts))
  answerJson(context, answered.value.completion)
}

async function streamed(call: Call, options: ChatOptions): Promise<void> {
  const { context } = call
  const stream = new EventStream(context)
  const waiting = setTimeout(() => {
    stream.begin()
    stream.keepAlive(options.streamHeartbeatMs)
  }, options.streamHeartbeatMs)
  const closed = options.telemetry.streamOpened()
  if (context.state.call?.beganEarly) stream.begin()
  try {
    const opening = call.found
      ? Promise.resolve(streamFrom(call.found))
      : attempted<StreamAnswer>(call, options, streamOrGivenUp)
    await forward(call, stream, await opening.finally(() => clearTimeout(waiting)), options.reasoning)
  } catch (thrown) {
    if (!stream.begun) throw thrown
    const failure = toFailure(thrown)
    call.account.fail(failure)
    context.state.facts.error = failure.error.code
    stream.fail(failure.error)
  } finally {
    closed()
  }
}

async function forward(
  call: Call,
  stream: EventStream,
  answered: Attempted<Served, StreamAnswer>,
  reasoning: KeptReasoning,
): Promise<void> {
  const { context, left } = call
  call.deadline.met()
  call.account.serve(answered.value)
  noteAnswer(context, answered)
  const { meter } = call.account
  const outgoing = new OutgoingChunks(call)
  const { first, rest, usage } = answered.value
  const head = ferryValues(answered, context.state.facts)
  try {
    if (!stream.begun) {
      setHeaders(context, head)
      stream.begin()
      await stream.write(outgoing.take(first), left)
    } else {
      const [opening, ...others] = outgoing.take(first)
      await stream.write(opening ? [{ ...opening, ferry: head }, ...others] : [], left)
    }
    for await (const chunks of rest) await stream.write(outgoing.take(chunks), left)
  } finally {
    meter.count(usage(), false)
  }
  // Before the end, behind which the next turn may come at once.
  await reasoning.keep(context.state.caller.key, outgoing.turn)
  if (!call.found) await call.turn?.keepStream(answeredBy(answered))
  stream.end()
}

/** Chunks on their way to the caller: usage is read from them, and shown only to who asked for it. */
class OutgoingChunks {
  readonly turn: StreamedTurn = new StreamedTurn()
  readonly #call: Call
  readonly #showUsage: boolean

  constructor(call: Call) {
    this.#call = call
    this.#showUsage = call.request.stream_options?.include_usage === true
  }

  take(chunks: readonly ChatChunk[]): readonly ChatChunk[] {
    const { context, account, turn, found } = this.#call
    const { facts, arrivedAt } = context.state
    facts.firstByteSeconds ??= (performance.now() - arrivedAt) / 1000
    account.meter.watch(chunks)
    if (!found) turn?.watch(chunks)
    this.turn.watch(chunks)
    const last = chunks.at(-1)
    if (this.#showUsage || !chunks.some((chunk) => chunk.usage)) return chunks
    return last?.choices.length === 0 ? chunks.slice(0, -1) : chunks.filter((chunk) => chunk.choices.length > 0)
  }
}
