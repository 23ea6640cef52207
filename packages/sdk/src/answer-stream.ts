import { FerryError } from './errors.ts'
import type { ChatEvent } from './events.ts'
import { iterate } from './iterate.ts'
import type { SentenceOptions } from './sentences/options.ts'
import { SentenceSplitter } from './sentences/splitter.ts'

type Items<T> = AsyncIterableIterator<T, undefined, undefined>

/**
 * A streamed answer. It can be read once: as events, as text, as sentences, or to its end with
 * {@link AnswerStream.final}. The call runs from the start; leaving the loop (`break`, `return`, an exception) ends it at
 * the vendor too.
 */
export abstract class AnswerStream<Event extends { readonly type: string }, Result extends { readonly text: string }>
  implements AsyncIterable<Event>, AsyncDisposable
{
  readonly #ended = Promise.withResolvers<Result>()
  #claimed = false

  constructor() {
    // Whoever reads gets the errors; nobody has to ask for the result.
    this.#ended.promise.catch(() => undefined)
  }

  /** The next events; undefined after the last. */
  protected abstract pull(): Promise<readonly Event[] | undefined>
  /** Ends the calls behind it. */
  protected abstract leave(reason: unknown): void

  /** The events, once. */
  [Symbol.asyncIterator](): Items<Event> {
    return this.items((events) => events)
  }

  /** @internal The events as they arrive together. */
  batches(): Items<readonly Event[]> {
    return this.items((events) => [events])
  }

  /** The pieces of the first choice's text. */
  textDeltas(): Items<string> {
    return this.items((events) => events.flatMap((event) => textOf(event) ?? []))
  }

  /**
   * The first choice's text in sentences for a voice, as early as is right: no Markdown, code or emoji in them, and the
   * first one short, since the listener waits for it.
   *
   * @example
   * for await (const sentence of ferry.chat.stream(request).sentences()) await voice.speak(sentence)
   */
  sentences(options?: SentenceOptions): Items<string> {
    const splitter = new SentenceSplitter(options)
    return this.items((events) => events.flatMap((event) => spokenBy(splitter, event)))
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
  final(): Promise<Result> {
    if (!this.#claimed) void this.#drain().catch(() => undefined)
    return this.#ended.promise
  }

  /** @internal The end, without reading to it. */
  get ended(): Promise<Result> {
    return this.#ended.promise
  }

  /** Ends it now, at the vendor too. Whoever reads gets a FerryError `client_closed`, or `reason`. */
  cancel(reason: unknown = new FerryError('client_closed', 'The stream was cancelled.')): void {
    this.leave(reason)
    this.#ended.reject(reason)
  }

  /** `await using stream = …` ends the call with the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel()
  }

  /** Takes the right to read, which there is once. */
  protected claim(): void {
    if (this.#claimed) throw new TypeError('A stream is read once; use `final()` for the whole answer afterwards.')
    this.#claimed = true
  }

  /** An iterator over what is picked of the events; it takes the right to read. */
  protected items<T>(pick: (events: readonly Event[]) => readonly T[]): Items<T> {
    this.claim()
    return iterate(
      async () => {
        const events = await this.guard(() => this.pull())
        return events && pick(events)
      },
      () => this.cancel(),
    )
  }

  /** Whatever goes wrong while reading is how the stream ended. */
  protected async guard<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      this.#ended.reject(error)
      throw error
    }
  }

  protected succeed(result: Result): void {
    this.#ended.resolve(result)
  }

  protected fail(error: unknown): void {
    this.#ended.reject(error)
  }

  async #drain(): Promise<void> {
    this.claim()
    while (await this.guard(() => this.pull()));
  }
}

type AnyEvent = ChatEvent | { readonly type: string }

function textOf(event: AnyEvent): string | undefined {
  return event.type === 'text-delta' && 'text' in event && event.choice === 0 ? event.text : undefined
}

// A splitter that was ended takes the next text: with tools an answer has several messages.
function spokenBy(splitter: SentenceSplitter, event: AnyEvent): string[] {
  const text = textOf(event)
  const over = event.type === 'finish' && 'choice' in event && event.choice === 0
  const pieces = text !== undefined ? splitter.push(text) : over ? splitter.end() : []
  return pieces.flatMap((piece) => piece.text || [])
}
