import {
  type ChatChunk,
  type ChatCompletion,
  type ChatRequest,
  type EmbeddingsRequest,
  type EmbeddingsResponse,
  FerryError,
  type Usage,
} from '@llm-ferry/sdk'
import { createParser } from 'eventsource-parser'
import type { Exchange, OutgoingRequest, Sender } from '../transport.ts'
import type { StreamMapper, WireRequest } from '../vendors/vendor.ts'
import { follow } from './deadline.ts'
import { AttemptFailure } from './failure.ts'
import type { EmbeddingsTarget, PreparedTarget } from './prepare.ts'
import type { ResolvedTarget } from './resolve.ts'
import { keepWireText } from './wire-text.ts'

/** Largest plain answer that is held, in bytes: images in base64 are the largest there are. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

/** What an attempt needs besides its target. */
export interface AttemptOptions {
  readonly sender: Sender
  readonly request: ChatRequest
  /** Ends the attempt: the caller left, or the deadline passed. */
  readonly signal: AbortSignal
  /** Longest silence between two events, in ms. */
  readonly idleTimeoutMs: number
}

/** The part of an answer that its headers tell. */
export interface AnswerHead {
  readonly relay: string | undefined
  readonly dropped: readonly string[]
}

/** A whole answer. */
export interface PlainAnswer extends AnswerHead {
  readonly completion: ChatCompletion
}

/** A streamed answer whose first chunks are here. */
export interface StreamAnswer extends AnswerHead {
  readonly first: readonly ChatChunk[]
  /** The chunks that follow, in the batches they arrived in. Throws a FerryError when the answer breaks off. */
  readonly rest: AsyncGenerator<readonly ChatChunk[], void>
  /** Usage as far as the vendor has told. */
  readonly usage: () => Usage | undefined
}

/** One attempt at a whole answer. @throws {AttemptFailure} */
export async function attemptPlain(target: PreparedTarget, options: AttemptOptions): Promise<PlainAnswer> {
  const { wire } = target
  const exchange = await options.sender.send(target.config, outgoing(wire), options.signal)
  if (exchange.status >= 400) throw await vendorFailure(exchange, target)
  const text = await readText(exchange, options.signal)
  const completion = target.adapter.response(parseJson(text), target)
  return { completion, relay: exchange.relay, dropped: wire.dropped }
}

/** One attempt at embeddings. @throws {AttemptFailure} */
export async function attemptEmbeddings(
  target: EmbeddingsTarget,
  request: EmbeddingsRequest,
  { sender, signal }: Pick<AttemptOptions, 'sender' | 'signal'>,
): Promise<AnswerHead & { readonly embeddings: EmbeddingsResponse }> {
  const { wire } = target
  const exchange = await sender.send(target.config, outgoing(wire), signal)
  if (exchange.status >= 400) throw await vendorFailure(exchange, target)
  const embeddings = target.embeddings.response(parseJson(await readText(exchange, signal)), request, target)
  return { embeddings, relay: exchange.relay, dropped: wire.dropped }
}

/** One attempt at a stream; resolves with its first chunks. @throws {AttemptFailure} */
export async function attemptStream(target: PreparedTarget, options: AttemptOptions): Promise<StreamAnswer> {
  const { wire } = target
  // It runs from the first event on: until then the deadline does, which may be longer.
  const idle = new IdleTimer(options.idleTimeoutMs, options.signal)
  const { signal } = idle
  const exchange = await options.sender.send(target.config, outgoing(wire), signal)
  if (exchange.status >= 400) throw await vendorFailure(exchange, target)
  const mapper = target.adapter.stream(options.request, target)
  const rest = chunks(exchange.body, mapper, signal, idle)
  const first = await rest.next()
  return { first: first.value ?? [], rest, usage: () => mapper.usage(), relay: exchange.relay, dropped: wire.dropped }
}

/** What an adapter wrote, as it goes out. */
function outgoing({ method, path, headers, body }: WireRequest): OutgoingRequest {
  return { method, path, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

async function vendorFailure(exchange: Exchange, target: ResolvedTarget): Promise<AttemptFailure> {
  const text = await readText(exchange, undefined).catch(() => '')
  const wire = { status: exchange.status, headers: exchange.headers, body: jsonOrText(text) }
  return new AttemptFailure(target.adapter.error(wire, target), 'vendor')
}

async function readText(exchange: Exchange, signal: AbortSignal | undefined): Promise<string> {
  return (await readWhole(exchange, signal)).toString('utf8')
}

/** The body of an answer that is no stream. @throws {FerryError} when it breaks off or has no end in sight. */
export async function readWhole(exchange: Exchange, signal: AbortSignal | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let size = 0
  try {
    for await (const piece of exchange.body) {
      size += piece.length
      if (size > MAX_ANSWER_BYTES) break
      pieces.push(piece)
    }
  } catch (error) {
    throw broken(error, signal)
  }
  if (size > MAX_ANSWER_BYTES)
    throw new FerryError('upstream_invalid', `The answer is larger than ${MAX_ANSWER_BYTES} bytes`)
  return Buffer.concat(pieces)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new FerryError('upstream_invalid', 'The answer is not JSON', { cause: error })
  }
}

export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The reason of the one who ended it, else: the answer broke off. */
export function broken(error: unknown, signal: AbortSignal | undefined): Error {
  if (FerryError.is(error) || error instanceof AttemptFailure) return error
  if (signal?.aborted && FerryError.is(signal.reason)) return signal.reason
  return new FerryError('upstream_truncated', 'The answer broke off before its end', { cause: error })
}

/** A stream's events through the mapper, one batch of chunks for each piece that the socket delivered. */
async function* chunks(
  body: Exchange['body'],
  mapper: StreamMapper,
  signal: AbortSignal,
  idle: IdleTimer,
): AsyncGenerator<readonly ChatChunk[], void> {
  const events = new EventReader(mapper)
  try {
    for await (const piece of body) {
      const batch = events.read(piece)
      if (batch.length > 0) {
        idle.pause()
        yield batch
        idle.restart()
      }
      if (events.fault) throw events.fault
    }
    const last = events.end()
    if (last.length > 0) yield last
  } catch (error) {
    throw broken(error, signal)
  } finally {
    idle.stop()
  }
}

/** Bytes → events → chunks. Chunks before a fault are delivered before the fault is thrown. */
class EventReader {
  fault: unknown
  readonly #decoder = new TextDecoder()
  readonly #mapper: StreamMapper
  readonly #parser = createParser({ onEvent: (event) => this.#onEvent(event) })
  #batch: ChatChunk[] = []

  constructor(mapper: StreamMapper) {
    this.#mapper = mapper
  }

  read(piece: Uint8Array): readonly ChatChunk[] {
    this.#batch = []
    this.#parser.feed(this.#decoder.decode(piece, { stream: true }))
    return this.#batch
  }

  end(): readonly ChatChunk[] {
    this.#batch = []
    this.#parser.reset({ consume: true })
    if (this.fault) throw this.fault
    return [...this.#batch, ...this.#mapper.end()]
  }

  #onEvent(event: { event?: string | undefined; data: string }): void {
    if (this.fault) return
    try {
      for (const chunk of this.#mapper.event(event)) {
        this.#batch.push(chunk)
        if (this.#mapper.verbatim) keepWireText(chunk, event.data)
      }
    } catch (error) {
      this.fault = isVendorsOwn(error) ? new AttemptFailure(error, 'vendor') : error
    }
  }
}

/** An error event is the vendor's own answer, unless a relay or we ourselves say how the stream broke. */
function isVendorsOwn(error: unknown): error is FerryError {
  return FerryError.is(error) && !error.code.startsWith('upstream_')
}

/**
 * Ends a stream that has gone silent. It runs from the first {@link IdleTimer.restart} on, and the time in which the caller
 * reads slowly does not count.
 */
export class IdleTimer {
  readonly #controller = new AbortController()
  readonly #timeoutMs: number
  #timer: NodeJS.Timeout | undefined
  #paused = false

  /** @param parent ends the stream as well. */
  constructor(timeoutMs: number, parent: AbortSignal) {
    this.#timeoutMs = timeoutMs
    follow(this.#controller, parent)
  }

  /** Fires when the stream has been silent for too long, or with the parent. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  pause(): void {
    this.#paused = true
  }

  restart(): void {
    this.#paused = false
    if (this.#timer) this.#timer.refresh()
    else this.#timer = setTimeout(() => this.#end(), this.#timeoutMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #end(): void {
    if (this.#paused) return
    const message = `The stream was silent for ${this.#timeoutMs} ms`
    this.#controller.abort(new FerryError('upstream_timeout', message))
  }
}
