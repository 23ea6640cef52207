import type { ServerResponse } from 'node:http'
import type { ChatChunk, FerryError } from '@llm-ferry/sdk'
import { setHeaders } from './answer.ts'
import type { Context } from './context.ts'
import { wireText } from './dispatch/wire-text.ts'
import { drained } from './drained.ts'
import { errorBody } from './error-body.ts'

/**
 * A streamed answer to a caller, written in OpenAI's form.
 *
 * Only {@link EventStream.end} writes the terminator: a stream that failed ends with an error event and without one, so
 * that it never looks complete.
 */
export class EventStream {
  readonly #context: Context
  readonly #response: ServerResponse
  #heartbeat: NodeJS.Timeout | undefined

  constructor(context: Context) {
    this.#context = context
    this.#response = context.res
  }

  /** Whether the head has gone: from here on failures are events. */
  get begun(): boolean {
    return this.#response.headersSent
  }

  /** Sends the head with the headers that the context has by now. */
  begin(): void {
    const context = this.#context
    context.respond = false
    context.status = 200
    setHeaders(context, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // nginx holds events back unless it is told not to.
      'x-accel-buffering': 'no',
    })
    context.res.flushHeaders()
  }

  /** Sends a comment now and then until the next event, for proxies that cut silent connections. */
  keepAlive(everyMs: number): void {
    this.#heartbeat ??= setInterval(() => this.#response.write(': waiting\n\n'), everyMs)
  }

  /** Writes chunks in one piece, and waits when the caller reads slowly. Throws when the caller has left. */
  async write(chunks: readonly ChatChunk[], signal: AbortSignal): Promise<void> {
    if (chunks.length === 0) return
    this.#stopHeartbeat()
    let text = ''
    for (const chunk of chunks) text += `data: ${wireText(chunk)}\n\n`
    if (!this.#response.write(text)) await drained(this.#response, signal)
  }

  /** The answer is complete. */
  end(): void {
    this.#stopHeartbeat()
    this.#response.end('data: [DONE]\n\n')
  }

  /** The answer failed. */
  fail(error: FerryError): void {
    this.#stopHeartbeat()
    this.#response.end(`data: ${JSON.stringify(errorBody(error))}\n\n`)
  }

  #stopHeartbeat(): void {
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
  }
}
