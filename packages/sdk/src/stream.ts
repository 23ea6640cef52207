import { AnswerStream } from './answer-stream.ts'
import { type ChunkBatch, ChunkSource, type StreamOrigin } from './chunk-source.ts'
import type { ChatEvent } from './events.ts'
import { ChatFold } from './fold.ts'
import { type CallMeta, readMeta } from './meta.ts'
import { relayedOrigin } from './relayed.ts'
import { ChatResult } from './result.ts'
import { toServerSentEvents } from './wire-stream.ts'

/**
 * A streamed answer. It can be read once: as events, as text, as sentences, as bytes, or to its end with
 * `final()`. The call runs from the start; leaving the loop (`break`, `return`, an exception) ends it at
 * the vendor too.
 *
 * A stream that breaks off throws: a FerryError `upstream_truncated`, or the error that the server sent. What was
 * received before is real, and incomplete.
 *
 * @example
 * const stream = ferry.chat.stream({ model: 'anthropic/claude-sonnet-5', messages })
 * for await (const event of stream) {
 *   if (event.type === 'text-delta') process.stdout.write(event.text)
 * }
 * const { usage } = await stream.final()
 */
export class ChatStream extends AnswerStream<ChatEvent, ChatResult> {
  readonly #source: ChunkSource
  readonly #fold = new ChatFold()
  readonly #first: Promise<ChunkBatch | undefined>
  #firstTaken = false
  #finished = false

  /** @internal Made by `ferry.chat.stream()` or {@link ChatStream.from}. */
  constructor(origin: StreamOrigin) {
    super()
    this.#source = new ChunkSource(origin)
    this.#first = this.#source.read()
    this.#first.catch((error) => this.fail(error))
  }

  /**
   * Reads a stream that somebody else fetched, such as one that your own server passes on to a page with
   * {@link ChatStream.toReadableStream}.
   *
   * @example
   * const stream = ChatStream.from(await fetch('/api/chat', { method: 'POST', body }))
   */
  static from(response: Response): ChatStream {
    return new ChatStream(relayedOrigin(response))
  }

  /** How the call went. Resolves with the first event; rejects when there is none. */
  get meta(): Promise<CallMeta> {
    return this.#first.then(() => this.#meta())
  }

  /**
   * The answer as server-sent events in OpenAI's form, to pass on to a page; {@link ChatStream.from} reads it there. An
   * error becomes an error event without `[DONE]`.
   *
   * @example
   * return new Response(ferry.chat.stream(request).toReadableStream(), {
   *   headers: { 'content-type': 'text/event-stream' },
   * })
   */
  toReadableStream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.claim()
    return toServerSentEvents(
      async () => (await this.guard(() => this.#next()))?.json,
      (reason) => this.cancel(reason),
    )
  }

  protected override async pull(): Promise<readonly ChatEvent[] | undefined> {
    return (await this.#next())?.events
  }

  protected override leave(reason: unknown): void {
    this.#source.cancel(reason)
  }

  async #next(): Promise<Batch | undefined> {
    const chunks = await this.#read()
    return chunks ? this.#take(chunks) : this.#finish()
  }

  #read(): Promise<ChunkBatch | undefined> {
    if (this.#firstTaken) return this.#source.read()
    this.#firstTaken = true
    return this.#first
  }

  #take(chunks: ChunkBatch): Batch {
    const events: ChatEvent[] = []
    for (const { chunk } of chunks) this.#fold.push(chunk, events)
    return { events, json: chunks.map(({ json }) => json) }
  }

  #finish(): Batch | undefined {
    if (this.#finished) return undefined
    this.#finished = true
    const events: ChatEvent[] = []
    this.#fold.finish(events)
    this.succeed(new ChatResult(this.#fold.completion(), this.#meta()))
    return { events, json: [] }
  }

  #meta(): CallMeta {
    return this.#source.meta ?? readMeta(new Headers(), 0)
  }
}

interface Batch {
  readonly events: readonly ChatEvent[]
  readonly json: readonly string[]
}
