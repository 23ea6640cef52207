import { FerryError } from './errors.ts'
import { requestIdOf, streamedError } from './failure.ts'
import { type CallMeta, readMeta } from './meta.ts'
import { timeoutError } from './network.ts'
import type { ErrorCode } from './schema/errors.ts'
import type { ChatChunk } from './schema/response.ts'
import { EventReader } from './sse.ts'
import { Watchdog } from './watchdog.ts'

/** What a stream is read from: a call, or an answer that somebody else fetched. */
export interface StreamOrigin {
  open(): Promise<Response>
  readonly retries: number
  /** Time left for the first event, in ms. */
  readonly remainingMs: number
  readonly options: { readonly idleTimeoutMs: number }
  /** Whether {@link StreamOrigin.reattach} gets the same answer. Absent: never. */
  canReattach?(response: Response): boolean
  /** The same answer again, from its beginning. */
  reattach?(): Promise<Response>
  finish(meta: CallMeta): void
  cancel(reason?: unknown): void
  fail(error: unknown, response?: Response): unknown
}

/** Chunks that arrived together, each with its JSON text. */
export type ChunkBatch = readonly { readonly json: string; readonly chunk: ChatChunk }[]

const DRAIN_MS = 1_000

/**
 * Reads a chat stream to its end, and only to its end: a body that is over before every choice has a `finish_reason`
 * and `[DONE]` has come is an error, never an answer.
 */
export class ChunkSource {
  readonly #origin: StreamOrigin
  readonly #watchdog = new Watchdog(() => this.#silence())
  readonly #unfinished = new Set<number>()
  readonly #finished = new Set<number>()
  #response: Response | undefined
  #reader: EventReader | undefined
  #meta: CallMeta | undefined
  #silent: FerryError | undefined
  #failed: { readonly reason: unknown } | undefined
  #over = false
  /** Events read so far, and those that come a second time. */
  #taken = 0
  #skips = 0

  constructor(origin: StreamOrigin) {
    this.#origin = origin
  }

  /** Known once a batch has been read. */
  get meta(): CallMeta | undefined {
    return this.#meta
  }

  /** The next chunks; undefined after the stream's own end. Throws what went wrong. */
  async read(): Promise<ChunkBatch | undefined> {
    if (this.#failed) throw this.#failed.reason
    try {
      this.#reader ??= new EventReader(await this.#open(this.#origin.open()))
      while (!this.#over) {
        const batch = await this.#readBatch(this.#reader)
        if (batch && batch.length > 0) return batch
        if (!batch) this.#reader = await this.#reattach()
      }
      return undefined
    } catch (error) {
      throw this.#fail(error)
    }
  }

  /** Leaves it before its end. */
  cancel(reason?: unknown): void {
    if (this.#over) return
    this.#stop()
    this.#failed = { reason }
    this.#origin.cancel(reason)
    this.#reader?.close()
  }

  async #open(opening: Promise<Response>): Promise<ReadableStream<Uint8Array>> {
    this.#response = await opening
    const { body, headers } = this.#response
    if (body && headers.get('content-type')?.includes('text/event-stream')) return body
    throw this.#error('upstream_invalid', 'The answer is not an event stream; is `baseURL` right?')
  }

  /** The stream from its beginning, over another connection; what was read before is passed over. */
  async #reattach(): Promise<EventReader> {
    this.#reader?.close()
    this.#skips = this.#taken
    return new EventReader(await this.#open((this.#origin.reattach as () => Promise<Response>)()))
  }

  /** The next events; undefined when the line was lost and the same answer can be had again. */
  async #events(reader: EventReader): Promise<readonly { readonly data: string }[] | undefined> {
    const { remainingMs, options } = this.#origin
    const allowedMs = this.#meta ? options.idleTimeoutMs : Math.max(1, remainingMs)
    let lost: unknown
    try {
      const events = await this.#watchdog.within(allowedMs, reader.read())
      if (events) return events
      lost = this.#truncated()
    } catch (error) {
      if (FerryError.is(error)) throw error
      lost = error
    }
    const canReattach = this.#response && this.#origin.canReattach?.(this.#response)
    if (this.#silent || this.#over || !canReattach) throw this.#silent ?? lost
    return undefined
  }

  async #readBatch(reader: EventReader): Promise<ChunkBatch | undefined> {
    const events = await this.#events(reader)
    if (!events) return undefined
    const batch: { json: string; chunk: ChatChunk }[] = []
    for (const { data } of events) {
      if (this.#skips > 0) {
        this.#skips--
        continue
      }
      this.#taken++
      if (data === '[DONE]') {
        this.#finish(reader)
        break
      }
      batch.push({ json: data, chunk: this.#take(data) })
    }
    return batch
  }

  #take(data: string): ChatChunk {
    const value = this.#parse(data)
    const error = streamedError(value, this.#headers)
    if (error) throw error
    // Only fields that are read are looked at, and each with care: a vendor's stream is not ours to validate.
    const chunk = value as ChatChunk
    this.#meta ??= readMeta(this.#headers, this.#origin.retries, chunk.ferry)
    for (const { index, finish_reason } of chunk.choices ?? []) {
      if (finish_reason) this.#finished.add(index)
      else this.#unfinished.add(index)
    }
    return chunk
  }

  #parse(data: string): object {
    try {
      const value: unknown = JSON.parse(data)
      if (typeof value === 'object' && value !== null) return value
    } catch {
      // Falls through: what is no JSON is no event of ours either.
    }
    throw this.#error('upstream_invalid', 'The stream holds an event that cannot be understood.')
  }

  #finish(reader: EventReader): void {
    const isCut = (index: number) => !this.#finished.has(index)
    if (this.#finished.size === 0 || [...this.#unfinished].some(isCut)) throw this.#truncated()
    this.#stop()
    void reader.drain(DRAIN_MS)
    if (this.#meta) this.#origin.finish(this.#meta)
  }

  #fail(error: unknown): unknown {
    this.#stop()
    const reason = this.#origin.fail(error, this.#response)
    this.#failed ??= { reason }
    this.#reader?.close()
    return this.#failed.reason
  }

  #silence(): void {
    this.#silent = timeoutError()
    this.#reader?.close()
  }

  #stop(): void {
    this.#over = true
    this.#watchdog.stop()
  }

  get #headers(): Headers {
    return this.#response?.headers ?? new Headers()
  }

  #truncated(): FerryError {
    return this.#error('upstream_truncated', 'The stream ended before the answer did; what was received is incomplete.')
  }

  #error(code: ErrorCode, message: string): FerryError {
    return new FerryError(code, message, { requestId: requestIdOf(this.#headers) })
  }
}
