import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { FerryError } from './errors.ts'

// Characters of one event. An image as a data: URL is the longest there is.
const MAX_EVENT = 32 * 1024 * 1024

/** Reads server-sent events from a body, as many at a time as arrive together. */
export class EventReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #decoder = new TextDecoder()
  readonly #parser = createParser({
    onEvent: (event) => this.#events.push(event),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') throw new FerryError('upstream_invalid', error.message)
    },
    maxBufferSize: MAX_EVENT,
  })
  #events: EventSourceMessage[] = []

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader()
  }

  /** The next events, maybe none of a piece that held comments only; undefined at the end of the body. */
  async read(): Promise<readonly EventSourceMessage[] | undefined> {
    const { done, value } = await this.#reader.read()
    if (done) return undefined
    this.#parser.feed(this.#decoder.decode(value, { stream: true }))
    const events = this.#events
    this.#events = []
    return events
  }

  /** Reads what is left, so that the connection can be used again; closes it when that takes long. */
  async drain(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.close(), withinMs)
    try {
      while (!(await this.#reader.read()).done);
    } catch {
      // Nothing that counts was lost.
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    this.#reader.cancel().catch(() => undefined)
  }
}
