import { type IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { AnswerHead, Recording } from './recording.ts'

type Done = (error?: Error | null) => void

/**
 * The response of a call that may outlive its callers: what is written goes into a recording, and it has no socket.
 * `close` comes with its end; before that, with {@link RecordedResponse.abandon}, it says that nobody wants the answer.
 */
export class RecordedResponse extends ServerResponse {
  readonly #recording: Recording
  readonly #head: AnswerHead | undefined
  #hasBegun = false
  #isEnded = false
  #isClosed = false
  #hasEmittedClose = false

  /** @param head of the same answer as another process has given it, in place of this one's where the status is the same. */
  constructor(request: IncomingMessage, recording: Recording, head: AnswerHead | undefined) {
    super(request)
    this.#recording = recording
    this.#head = head
    // Accessors in node, plain fields in its types.
    Object.defineProperties(this, {
      headersSent: { get: () => this.#hasBegun },
      writableEnded: { get: () => this.#isEnded },
      writableFinished: { get: () => this.#isEnded },
    })
  }

  override flushHeaders(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    const headers = this.getHeaders() as OutgoingHttpHeaders & Record<string, string | string[]>
    const own = { status: this.statusCode, headers: { ...headers } }
    this.#recording.begin(this.#head?.status === own.status ? this.#head : own)
  }

  override write(chunk: Uint8Array | string, ...rest: unknown[]): boolean {
    const mayGoOn = this.#take(chunk)
    const done = rest.find((each): each is Done => typeof each === 'function')
    if (done) setImmediate(done)
    return mayGoOn
  }

  override end(...args: unknown[]): this {
    if (this.#isEnded || this.#isClosed) return this
    const [chunk] = args
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) this.#take(chunk)
    this.flushHeaders()
    this.#isEnded = true
    this.#recording.end('whole')
    setImmediate(() => {
      this.emit('finish')
      this.#close()
    })
    return this
  }

  /** Nobody wants the answer: whoever makes it is told so, and may still write why it ends. */
  abandon(): void {
    this.#emitClose()
  }

  override destroy(): this {
    if (!this.#isEnded) this.#recording.end('broken')
    this.#close()
    return this
  }

  #take(chunk: Uint8Array | string): boolean {
    if (this.#isEnded || this.#isClosed) return true
    this.flushHeaders()
    return this.#recording.write(Buffer.from(chunk as string))
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.destroyed = true
    this.#emitClose()
  }

  #emitClose(): void {
    if (this.#hasEmittedClose) return
    this.#hasEmittedClose = true
    this.emit('close')
  }
}
