import { AnswerStream } from './answer-stream.ts'
import type { ChatEvent } from './events.ts'
import type { CallOptions } from './options.ts'
import type { ChatInputMessage, ChatParams } from './params.ts'
import type { ChatResult } from './result.ts'
import { type Approve, nameOf, runTools, type ToolOutcome } from './run-tools.ts'
import type { ToolCall } from './schema/message.ts'
import type { ChatCompletionMessage, FinishReason } from './schema/response.ts'
import type { Usage } from './schema/usage.ts'
import type { ChatStream } from './stream.ts'
import type { FerryTool } from './tool.ts'
import { sumUsage } from './usage.ts'

/** What to ask, with tools that run by themselves. */
export interface RunParams extends Omit<ChatParams, 'tools' | 'n'> {
  readonly tools: readonly FerryTool[]
  /** Most answers of the model, the last one included, default 8. What is open then is in `toolCalls` of the result. */
  readonly maxSteps?: number | undefined
  /** Asked before calls of tools with `needsApproval`. Without it such calls are refused. */
  readonly approve?: Approve | undefined
}

/** A step of the model begins. Each brings the events of a stream, from `message-start` to `finish`. */
export interface StepStart {
  readonly type: 'step-start'
  /** From 0. */
  readonly step: number
}

/** A tool has answered or failed. */
export interface ToolResult extends ToolOutcome {
  readonly type: 'tool-result'
  readonly step: number
}

/** What happens in a run: the events of its answers, and the results of tools between them. */
export type RunEvent = ChatEvent | StepStart | ToolResult

/** A model's answer, and what its tools came to. */
export interface Step {
  readonly answer: ChatResult
  readonly outcomes: readonly ToolOutcome[]
}

/** How a run ended. */
export interface RunResult {
  /** Text of the last answer. */
  readonly text: string
  /** The last answer's message. */
  readonly message: ChatCompletionMessage
  /** Why the last answer stopped. `tool_calls`: tools of yours without `execute`, or the step limit. */
  readonly finishReason: FinishReason
  /** Calls that nobody has answered. */
  readonly toolCalls: readonly ToolCall[]
  readonly steps: readonly Step[]
  /** The conversation with all that the run added, for the next turn. */
  readonly messages: readonly ChatInputMessage[]
  /** Sum of all steps; undefined when a vendor did not tell. */
  readonly usage: Usage | undefined
  /** How the last call went. */
  readonly meta: ChatResult['meta']
}

const DEFAULT_STEPS = 8

/** A run as it happens: {@link RunEvent}s, or text, or sentences. It can be read once. */
export class RunStream extends AnswerStream<RunEvent, RunResult> {
  readonly #controller = new AbortController()
  readonly #batches: AsyncGenerator<readonly RunEvent[], void, undefined>
  // Taken at once, so that the call runs from the start.
  #first: Promise<IteratorResult<readonly RunEvent[], void>> | undefined

  /** @internal Made by `ferry.chat.run.stream()`. */
  constructor(ask: (params: ChatParams, options: CallOptions) => ChatStream, params: RunParams, options: CallOptions) {
    super()
    const { signal } = this.#controller
    const both = options.signal ? AbortSignal.any([signal, options.signal]) : signal
    this.#batches = this.#run(ask, params, { ...options, signal: both })
    this.#first = this.#batches.next()
    this.#first.catch((error) => this.fail(error))
  }

  protected override async pull(): Promise<readonly RunEvent[] | undefined> {
    const next = this.#first ?? this.#batches.next()
    this.#first = undefined
    const { done, value } = await next
    if (!done) return value
    this.#controller.signal.throwIfAborted()
    return undefined
  }

  protected override leave(reason: unknown): void {
    this.#controller.abort(reason)
  }

  async *#run(
    ask: (params: ChatParams, options: CallOptions) => ChatStream,
    { maxSteps = DEFAULT_STEPS, approve, tools, ...params }: RunParams,
    options: CallOptions & { readonly signal: AbortSignal },
  ): AsyncGenerator<readonly RunEvent[], void, undefined> {
    const { signal } = options
    const byName = new Map(tools.map((tool) => [tool.name, tool]))
    const definitions = tools.map(({ definition }) => definition)
    const steps: Step[] = []
    let messages: readonly ChatInputMessage[] = params.messages
    for (let step = 0; ; step++) {
      yield [{ type: 'step-start', step }]
      const stream = ask(
        { ...params, messages, ...(tools.length > 0 && { tools: definitions }) },
        callOptions(options, step),
      )
      for await (const events of stream.batches()) yield events
      const answer = await stream.final()
      messages = [...messages, answer.message]
      const goesOn = step + 1 < maxSteps && runnable(answer, byName)
      const outcomes = goesOn ? await runTools(answer.toolCalls, { tools: byName, approve, messages, signal }) : []
      steps.push({ answer, outcomes })
      messages = [...messages, ...outcomes.map(({ message }) => message)]
      if (!goesOn) return this.succeed(resultOf(answer, steps, messages))
      yield outcomes.map((outcome) => ({ type: 'tool-result', step, ...outcome }))
    }
  }
}

// A key of the caller's names one call; the later ones of the run are others.
function callOptions(options: CallOptions, step: number): CallOptions {
  const { idempotencyKey } = options
  return idempotencyKey === undefined || step === 0
    ? options
    : { ...options, idempotencyKey: `${idempotencyKey}-${step}` }
}

// An answer that was cut off may hold half a call. A tool without `execute` is for the caller to answer, with all others.
function runnable(answer: ChatResult, tools: ReadonlyMap<string, FerryTool>): boolean {
  const { finishReason, toolCalls } = answer
  if (finishReason === 'length' || finishReason === 'content_filter' || toolCalls.length === 0) return false
  return toolCalls.every((call) => tools.get(nameOf(call))?.isRunnable ?? true)
}

function resultOf(answer: ChatResult, steps: readonly Step[], messages: readonly ChatInputMessage[]): RunResult {
  const { text, message, finishReason, toolCalls, meta } = answer
  return {
    text,
    message,
    finishReason,
    toolCalls,
    steps,
    messages,
    usage: sumUsage(steps.map((step) => step.answer.usage)),
    meta,
  }
}
