import { DIALECTS, type Dialect } from '@llm-ferry/kit'
import { type FerryError, HEADERS } from '@llm-ferry/sdk'
import type { Context } from '../context.ts'
import { IdleTimer, jsonOrText } from '../dispatch/answer.ts'
import type { Breakers } from '../dispatch/breakers.ts'
import type { Deadline } from '../dispatch/deadline.ts'
import { type AttemptFailure, toFailure } from '../dispatch/failure.ts'
import type { ResolvedTarget } from '../dispatch/resolve.ts'
import { type Attempted, type AttemptPlace, attemptTargets } from '../dispatch/retry.ts'
import type { RetryBudgets } from '../dispatch/retry-budget.ts'
import type { CallAccount } from '../limits/account.ts'
import type { Telemetry } from '../telemetry.ts'
import { isReadOnce, type Sender } from '../transport.ts'
import { attemptNative, type FlowingAnswer, type NativeAnswer, VendorRefusal, type WholeAnswer } from './attempt.ts'
import { NativeOutput } from './output.ts'
import type { NativePath } from './path.ts'
import { type AnswerReader, createReader } from './reader.ts'
import type { NativeRequest } from './request.ts'
import { passEvents } from './stream.ts'

export interface NativeCallOptions {
  readonly breakers: Breakers
  readonly repeats: RetryBudgets
  readonly telemetry: Telemetry
  readonly maxRetries: number
  readonly streamIdleTimeoutMs: number
  readonly streamHeartbeatMs: number
}

/** One native call that has been let in. */
export interface NativeCall {
  readonly context: Context
  readonly path: NativePath
  readonly target: ResolvedTarget
  readonly request: NativeRequest
  readonly account: CallAccount
  readonly sender: Sender
  readonly deadline: Deadline
  /** The caller has left. */
  readonly left: AbortSignal
}

/** The wire facts of the target's dialect. */
export function wireDialect({ config }: ResolvedTarget): Dialect {
  return Object.values(DIALECTS).find(({ name }) => name === config.dialect) ?? DIALECTS.openai
}

/** Makes the call and passes its answer on. @throws {FerryError} while the caller has nothing of an answer. */
export async function serveNative(call: NativeCall, options: NativeCallOptions): Promise<void> {
  const { target, request, account } = call
  const { operation, asChat } = request
  const reader = createReader({ operation, adapter: target.adapter, target, request: asChat, meter: account.meter })
  try {
    await (request.facts.isStream ? streamed(call, reader, options) : passed(call, reader, options))
  } finally {
    reader.settle()
  }
}

async function passed(call: NativeCall, reader: AnswerReader, options: NativeCallOptions): Promise<void> {
  const output = new NativeOutput(call.context)
  const idle = new IdleTimer(options.streamIdleTimeoutMs, call.deadline.signal)
  await deliver(call, reader, output, idle, await answerOf(call, idle, options))
}

/** As {@link passed}, but the head goes before the answer where that takes long and the vendor's SDKs bear it. */
async function streamed(call: NativeCall, reader: AnswerReader, options: NativeCallOptions): Promise<void> {
  const output = new NativeOutput(call.context)
  const idle = new IdleTimer(options.streamIdleTimeoutMs, call.deadline.signal)
  const waiting = call.target.adapter.native?.takesComments
    ? setTimeout(() => {
        output.begin(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
        output.keepAlive(options.streamHeartbeatMs)
      }, options.streamHeartbeatMs)
    : undefined
  const closed = options.telemetry.streamOpened()
  try {
    const answered = await answerOf(call, idle, options).finally(() => clearTimeout(waiting))
    await deliver(call, reader, output, idle, answered)
  } catch (thrown) {
    if (!output.begun) throw thrown
    breakOff(call, output, toFailure(thrown), 0)
  } finally {
    closed()
  }
}

/** The vendor's answer, also when it is an error that nothing could cure. */
async function answerOf(
  { context, target, request, account, sender, deadline }: NativeCall,
  idle: IdleTimer,
  { maxRetries, breakers, repeats }: NativeCallOptions,
): Promise<Attempted<ResolvedTarget, NativeAnswer>> {
  const { facts, caller } = context.state
  repeats.deposit(caller.key)
  const attempt = (tried: ResolvedTarget, { number }: AttemptPlace): Promise<NativeAnswer> => {
    facts.attempts = number
    return breakers.run(tried, () => attemptNative(sender, tried, request.outgoing, idle.signal))
  }
  try {
    const most = isReadOnce(request.outgoing) ? 0 : maxRetries
    const takeRepeat = (): boolean => repeats.take(caller.key)
    return await attemptTargets([target], attempt, { maxRetries: most, deadline, takeRepeat })
  } catch (error) {
    idle.stop()
    if (!(error instanceof VendorRefusal)) throw error
    account.fail(error)
    return { value: error.answer, target, attempts: facts.attempts ?? 1 }
  }
}

async function deliver(
  call: NativeCall,
  reader: AnswerReader,
  output: NativeOutput,
  idle: IdleTimer,
  answered: Attempted<ResolvedTarget, NativeAnswer>,
): Promise<void> {
  const { value: answer } = answered
  call.deadline.met()
  noteAnswer(call.context, answered)
  if (answer.kind === 'whole') {
    idle.stop()
    await deliverWhole(call, reader, output, answer)
    return
  }
  // From the answer's head on; until then the deadline runs.
  idle.restart()
  if (!output.begun) output.begin(answer.status, answer.headers)
  await (answer.kind === 'events' ? deliverEvents : deliverBytes)(call, reader, output, idle, answer)
}

async function deliverWhole(
  { context, request, target }: NativeCall,
  reader: AnswerReader,
  output: NativeOutput,
  answer: WholeAnswer,
): Promise<void> {
  if (answer.status >= 400) {
    // A stream's head is out: what the vendor said must fit into an event.
    if (output.begun) throw new VendorRefusal(errorOf(target, answer), answer)
    context.state.facts.error = errorOf(target, answer).code
  } else if (request.operation !== undefined) {
    reader.whole(jsonOrText(answer.bytes.toString('utf8')))
  }
  context.status = answer.status
  context.body = answer.bytes
  if (answer.headers['content-type'] === undefined) context.remove('content-type')
  context.set(answer.headers as Record<string, string | string[]>)
}

function errorOf({ adapter, ...target }: ResolvedTarget, { status, headers, bytes }: WholeAnswer): FerryError {
  return adapter.error({ status, headers, body: jsonOrText(bytes.toString('utf8')) }, target)
}

async function deliverEvents(
  call: NativeCall,
  reader: AnswerReader,
  output: NativeOutput,
  idle: IdleTimer,
  answer: FlowingAnswer,
): Promise<void> {
  const { context, request } = call
  const { signal } = idle
  const { reported, fault, nextSequence } = await passEvents({
    body: answer.body,
    reader,
    isHidden: (data) => request.hidesUsage && request.operation?.usageOnDemand?.isAnswer(data) === true,
    signal,
    idle,
    write: (bytes) => {
      noteFirstByte(context)
      return output.write(bytes, signal)
    },
  })
  if (reported) context.state.facts.error = reported.code
  if (fault) breakOff(call, output, toFailure(fault), nextSequence)
  else output.end()
}

async function deliverBytes(
  call: NativeCall,
  reader: AnswerReader,
  output: NativeOutput,
  idle: IdleTimer,
  answer: FlowingAnswer,
): Promise<void> {
  const { signal } = idle
  try {
    for await (const piece of answer.body) {
      idle.pause()
      noteFirstByte(call.context)
      await output.write(piece, signal)
      idle.restart()
    }
    reader.whole(undefined)
    output.end()
  } catch (error) {
    fail(call, toFailure(error))
    output.breakOff()
  } finally {
    idle.stop()
  }
}

/** Tells of a failure in an event of the vendor's own form, behind what the caller has already. */
function breakOff(call: NativeCall, output: NativeOutput, failure: AttemptFailure, sequence: number): void {
  fail(call, failure)
  const { status, code, message } = failure.error
  const error = { status, code, message, requestId: call.context.state.requestId }
  output.breakOff(wireDialect(call.target).errorEvent(error, { operation: call.path.operation, sequence }))
}

function fail({ account, context }: NativeCall, failure: AttemptFailure): void {
  account.fail(failure)
  context.state.facts.error = failure.error.code
}

function noteFirstByte({ state }: Context): void {
  state.facts.firstByteSeconds ??= (performance.now() - state.arrivedAt) / 1000
}

function noteAnswer(context: Context, { target, attempts, value }: Attempted<ResolvedTarget, NativeAnswer>): void {
  const { facts } = context.state
  facts.attempts = attempts
  if (value.relay !== undefined) facts.relay = value.relay
  if (context.headerSent) return
  context.set(HEADERS.vendor, target.vendor)
  if (target.model !== '') context.set(HEADERS.model, target.model)
  context.set(HEADERS.attempts, String(attempts))
  if (value.relay !== undefined) context.set(HEADERS.relay, value.relay)
  // What more attempts could cure, they would have: the caller's SDK has none to add.
  if (value.status >= 400 && attempts > 1) context.set('x-should-retry', 'false')
}
