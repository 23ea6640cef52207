import type { ServerResponse } from 'node:http'
import type { Context } from '../context.ts'
import { drained } from '../drained.ts'

/** Whoever does not read the last event in this time, in ms, is cut off without it. */
const LAST_WORD_MS = 1_000

/** A native answer that flows to its caller. Only {@link NativeOutput.end} makes it look complete. */
export class NativeOutput {
  readonly #context: Context
  readonly #response: ServerResponse
  #heartbeat: NodeJS.Timeout | undefined

  constructor(context: Context) {
    this.#context = context
    this.#response = context.res
  }

  /** Whether the head has gone. */
  get begun(): boolean {
    return this.#response.headersSent
  }

  /** Sends the head: with what the context has by now, and these headers before them. */
  begin(status: number, headers: Readonly<Record<string, string | string[]>>): void {
    const context = this.#context
    context.respond = false
    context.status = status
    context.set(headers as Record<string, string | string[]>)
    // nginx holds events back unless it is told not to.
    context.set('x-accel-buffering', 'no')
    context.res.flushHeaders()
  }

  /** Sends a comment now and then until the first event, for proxies that cut silent connections. */
  keepAlive(everyMs: number): void {
    this.#heartbeat ??= setInterval(() => this.#response.write(': waiting\n\n'), everyMs)
  }

  /** Writes and waits when the caller reads slowly. Throws when the caller has left. */
  async write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    this.#stopHeartbeat()
    if (bytes.length > 0 && !this.#response.write(bytes)) await drained(this.#response, signal)
  }

  /** The answer is whole. */
  end(): void {
    this.#stopHeartbeat()
    this.#response.end()
  }

  /**
   * The rest will not come: says so where an event can, and ends the connection, because some clients overlook events.
   */
  breakOff(event?: string): void {
    this.#stopHeartbeat()
    const response = this.#response
    if (event === undefined) {
      // Not in this turn, in which the last bytes still wait to be written.
      setImmediate(() => response.destroy())
      return
    }
    const timer = setTimeout(() => response.destroy(), LAST_WORD_MS)
    response.write(event, () => {
      clearTimeout(timer)
      response.destroy()
    })
  }

  #stopHeartbeat(): void {
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
  }
}
