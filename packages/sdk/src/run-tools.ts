import type { ChatInputMessage } from './params.ts'
import type { ToolCall, ToolMessage } from './schema/message.ts'
import type { FerryTool, ToolContext } from './tool.ts'

/** A call that waits for approval. */
export interface ApprovalRequest {
  readonly toolName: string
  readonly toolCallId: string
  /** The arguments, checked against the tool's schema. */
  readonly input: unknown
  readonly signal: AbortSignal
}

/** Says whether a call may run: true, or false, or why not (the model is told). */
export type Approve = (request: ApprovalRequest) => boolean | string | Promise<boolean | string>

/** What came of a tool call. */
export interface ToolOutcome {
  readonly toolName: string
  readonly toolCallId: string
  /** The checked arguments; undefined when they did not fit. */
  readonly input: unknown
  /** What the tool returned; undefined when it failed. */
  readonly output: unknown
  /** What it threw, or why it did not run. */
  readonly error: unknown
  /** What the model is told. */
  readonly message: ToolMessage
}

export interface ToolRun {
  readonly tools: ReadonlyMap<string, FerryTool>
  readonly approve: Approve | undefined
  readonly messages: readonly ChatInputMessage[]
  readonly signal: AbortSignal
}

/** Runs the calls of one step side by side. A failure is an answer to the model, not an end; only an abort is. */
export async function runTools(calls: readonly ToolCall[], run: ToolRun): Promise<readonly ToolOutcome[]> {
  const { signal } = run
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    signal.throwIfAborted()
    // A tool may not heed the signal; leaving does not wait for it.
    return await Promise.race([aborted.promise, Promise.all(calls.map((call) => runTool(call, run)))])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function runTool(call: ToolCall, run: ToolRun): Promise<ToolOutcome> {
  const toolName = nameOf(call)
  const about = { toolName, toolCallId: call.id }
  let input: unknown
  try {
    const tool = run.tools.get(toolName)
    if (!tool) throw new TypeError(`There is no tool named ${toolName}.`)
    const prepared = await tool.prepare(call)
    input = prepared.input
    if (prepared.needsApproval) await approved({ ...about, input, signal: run.signal }, run.approve)
    const context: ToolContext = { signal: run.signal, toolCallId: call.id, messages: run.messages }
    const output = await prepared.run(context)
    return { ...about, input, output, error: undefined, message: answer(call, contentOf(output)) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ...about, input, output: undefined, error, message: { ...answer(call, message), is_error: true } }
  }
}

async function approved(request: ApprovalRequest, approve: Approve | undefined): Promise<void> {
  // Nobody to ask is no consent.
  const word = (await approve?.(request)) ?? false
  if (word === true) return
  throw new Error(typeof word === 'string' ? word : 'The user did not approve this call.')
}

export function nameOf(call: ToolCall): string {
  return call.type === 'function' ? call.function.name : call.custom.name
}

function answer(call: ToolCall, content: string): ToolMessage {
  return { role: 'tool', tool_call_id: call.id, content }
}

function contentOf(output: unknown): string {
  return typeof output === 'string' ? output : (JSON.stringify(output) ?? 'done')
}
