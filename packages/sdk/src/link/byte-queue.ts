/** Bytes that wait for their reader. Above this the source is asked to pause. */
const HIGH_WATER_BYTES = 256 * 1024

/** What a queue needs of its source. */
export interface QueueSource {
  pause(): void
  resume(): void
  /** The reader wants no more, before the end. */
  cancel(): void
}

/** Bytes on their way from a source that pushes to a reader that pulls. One reader. */
export class ByteQueue implements AsyncIterableIterator<Uint8Array> {
  readonly #source: QueueSource
  #pieces: Uint8Array[] = []
  #bytes = 0
  #isPaused = false
  #isOver = false
  #error: unknown
  #wake: (() => void) | undefined

  constructor(source: QueueSource) {
    this.#source = source
  }

  push(piece: Uint8Array): void {
    if (this.#isOver) return
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#bytes > HIGH_WATER_BYTES && !this.#isPaused) {
      this.#isPaused = true
      this.#source.pause()
    }
    this.#wake?.()
  }

  /** Nothing follows; with an error, the reader gets it after what is queued. */
  end(error?: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#error = error
    this.#wake?.()
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    while (this.#pieces.length === 0) {
      if (this.#isOver) return this.#finish()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    // What one read of the socket brought is read at once.
    const [first = new Uint8Array(), ...others] = this.#pieces
    const value = others.length === 0 ? first : Buffer.concat(this.#pieces, this.#bytes)
    this.#pieces = []
    this.#bytes = 0
    if (this.#isPaused) {
      this.#isPaused = false
      this.#source.resume()
    }
    return { done: false, value }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!this.#isOver) {
      this.#isOver = true
      this.#source.cancel()
    }
    this.#pieces = []
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #finish(): IteratorResult<Uint8Array, undefined> {
    const error = this.#error
    this.#error = undefined
    if (error !== undefined) throw error
    return { done: true, value: undefined }
  }
}
