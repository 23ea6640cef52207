import { type ChunkBatch, ChunkSource, type StreamOrigin } from './chunk-source.ts'
import { FerryError } from './errors.ts'
import type { ChatEvent } from './events.ts'
import { ChatFold } from './fold.ts'
import { iterate } from './iterate.ts'
import { type CallMeta, readMeta } from './meta.ts'
import { relayedOrigin } from './relayed.ts'
import { ChatResult } from './result.ts'
import type { SentenceOptions } from './sentences/options.ts'
import { SentenceSplitter } from './sentences/splitter.ts'
import { toServerSentEvents } from './wire-stream.ts'

/**
 * A streamed answer. It can be read once: as events, as text, as sentences, as bytes, or to its end with
 * {@link ChatStream.final}. The call runs from the start; leaving the loop (`break`, `return`, an exception) ends it at
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
export class ChatStream implements AsyncIterable<ChatEvent>, AsyncDisposable {
  readonly #source: ChunkSource
  readonly #fold = new ChatFold()
  readonly #first: Promise<ChunkBatch | undefined>
  readonly #ended = Promise.withResolvers<ChatResult>()
  #firstTaken = false
  #claimed = false
  #finished = false

  /** @internal Made by `ferry.chat.stream()` or {@link ChatStream.from}. */
  constructor(origin: StreamOrigin) {
    this.#source = new ChunkSource(origin)
    this.#first = this.#source.read()
    // Whoever reads gets these errors; nobody may be reading yet.
    this.#first.catch((error) => this.#ended.reject(error))
    this.#ended.promise.catch(() => undefined)
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

  /** The events, once. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChatEvent, undefined, undefined> {
    return this.#iterate((events) => events)
  }

  /** The pieces of the first choice's text. */
  textDeltas(): AsyncIterableIterator<string, undefined, undefined> {
    return this.#iterate((events) =>
      events.flatMap((event) => (event.type === 'text-delta' && event.choice === 0 ? event.text : [])),
    )
  }

  /**
   * The first choice's text in sentences for a voice, as early as is right: no Markdown, code or emoji in them, and the
   * first one short, since the listener waits for it.
   *
   * @example
   * for await (const sentence of ferry.chat.stream(request).sentences()) await voice.speak(sentence)
   */
  sentences(options?: SentenceOptions): AsyncIterableIterator<string, undefined, undefined> {
    const splitter = new SentenceSplitter(options)
    return this.#iterate((events) => events.flatMap((event) => spokenBy(splitter, event)))
  }

  /** The whole text. Reads the stream to its end, or waits for whoever does. */
  async text(): Promise<string> {
    return (await this.final()).text
  }

  /**
   * The whole answer. Reads the stream to its end unless somebody already does; then it waits for them.
   *
   * Rejects with what went wrong, or with `client_closed` when the loop was left before the end.
   */
  final(): Promise<ChatResult> {
    if (!this.#claimed) void this.#drain().catch(() => undefined)
    return this.#ended.promise
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
    this.#claim()
    return toServerSentEvents(
      async () => (await this.#next())?.json,
      (reason) => this.cancel(reason),
    )
  }

  /** Ends the call now, at the vendor too. Whoever reads gets a FerryError `client_closed`, or `reason`. */
  cancel(reason: unknown = new FerryError('client_closed', 'The stream was cancelled.')): void {
    this.#source.cancel(reason)
    this.#ended.reject(reason)
  }

  /** `await using stream = …` ends the call with the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel()
  }

  #iterate<T>(pick: (events: readonly ChatEvent[]) => readonly T[]): AsyncIterableIterator<T, undefined, undefined> {
    this.#claim()
    return iterate(
      async () => {
        const batch = await this.#next()
        return batch && pick(batch.events)
      },
      () => this.cancel(),
    )
  }

  #claim(): void {
    if (this.#claimed) throw new TypeError('A ChatStream is read once; use `final()` for the whole answer afterwards.')
    this.#claimed = true
  }

  async #drain(): Promise<void> {
    this.#claim()
    while (await this.#next());
  }

  async #next(): Promise<Batch | undefined> {
    try {
      const chunks = await this.#read()
      return chunks ? this.#take(chunks) : this.#finish()
    } catch (error) {
      this.#ended.reject(error)
      throw error
    }
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
    this.#ended.resolve(new ChatResult(this.#fold.completion(), this.#meta()))
    return { events, json: [] }
  }

  #meta(): CallMeta {
    return this.#source.meta ?? readMeta(new Headers(), 0)
  }
}

function spokenBy(splitter: SentenceSplitter, event: ChatEvent): string[] {
  if (!('choice' in event) || event.choice !== 0) return []
  const pieces = event.type === 'text-delta' ? splitter.push(event.text) : event.type === 'finish' ? splitter.end() : []
  return pieces.flatMap(({ text }) => text || [])
}

interface Batch {
  readonly events: readonly ChatEvent[]
  readonly json: readonly string[]
}
