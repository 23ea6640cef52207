import { type ChatChunk, type ChatRequest, FerryError, type Usage } from '@llm-ferry/sdk'
import type { Meter } from '../limits/meter.ts'
import type { AnswerFacts, NativeOperation } from '../vendors/native.ts'
import { type Json, record, truncated } from '../vendors/shared/json.ts'
import type { StreamMapper, Target, VendorAdapter, WireEvent } from '../vendors/vendor.ts'

/** Reads an answer that passes by, for what it uses and whether it is whole. What it cannot read, it leaves unread. */
export interface AnswerReader {
  /** The error that an event reports, if it is one. */
  event(event: WireEvent): FerryError | undefined
  whole(body: unknown): void
  /** The stream is over: why it is not whole, if so. */
  end(): FerryError | undefined
  /** The answer is over, whole or not: what is known of its usage. */
  settle(): void
}

export interface ReaderOptions {
  readonly operation: NativeOperation | undefined
  readonly adapter: VendorAdapter
  readonly target: Target
  readonly request: ChatRequest
  readonly meter: Meter
}

export function createReader(options: ReaderOptions): AnswerReader {
  const answer = options.operation?.answer ?? 'free'
  if (answer === 'free') return new FreeReader(options.meter)
  return answer === 'chat' ? new ChatReader(options) : new FactsReader(answer, options)
}

const NOTHING: Usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }

/** Of what costs nothing, nothing is counted. */
class FreeReader implements AnswerReader {
  readonly #meter: Meter

  constructor(meter: Meter) {
    this.#meter = meter
  }

  event(): undefined {}
  whole(): void {}
  end(): undefined {}

  settle(): void {
    this.#meter.count(NOTHING, true)
  }
}

/** A chat, read by the dialect's own mapper. */
class ChatReader implements AnswerReader {
  readonly #options: ReaderOptions
  readonly #mapper: StreamMapper
  /** Set once an event could not be read: from there on nothing is known of the end either. */
  #isBlind = false

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#mapper = options.adapter.stream(options.request, options.target)
  }

  event(event: WireEvent): FerryError | undefined {
    if (this.#isBlind) return undefined
    try {
      this.#options.meter.watch(this.#mapper.event(event).map(spoken))
      return undefined
    } catch (error) {
      this.#isBlind = true
      return FerryError.is(error) && error.code !== 'upstream_invalid' ? error : undefined
    }
  }

  whole(body: unknown): void {
    // A stream in JSON's form: a list of what would have been events.
    if (Array.isArray(body)) {
      for (const item of body) this.event({ data: JSON.stringify(item) })
      this.end()
      return
    }
    const completion = attempt(() => this.#options.adapter.response(body, this.#options.target))
    if (completion) this.#options.meter.complete(completion)
  }

  end(): FerryError | undefined {
    if (this.#isBlind) return undefined
    try {
      this.#options.meter.watch(this.#mapper.end().map(spoken))
      return undefined
    } catch (error) {
      return FerryError.is(error) ? error : undefined
    }
  }

  settle(): void {
    this.#options.meter.count(this.#mapper.usage(), false)
  }
}

/** Some vendors leave out what others send empty. */
function spoken(chunk: ChatChunk): ChatChunk {
  const choices = chunk.choices.map((choice) => (choice.delta ? choice : { ...choice, delta: {} }))
  return { ...chunk, choices }
}

/** Anything else, read as its operation tells. */
class FactsReader implements AnswerReader {
  readonly #facts: AnswerFacts
  readonly #options: ReaderOptions
  #isOver = false
  #usage: Usage | undefined

  constructor(facts: AnswerFacts, options: ReaderOptions) {
    this.#facts = facts
    this.#options = options
  }

  event({ data }: WireEvent): FerryError | undefined {
    const event = record(attempt(() => JSON.parse(data)))
    this.#isOver ||= this.#facts.isLast?.(event, data) ?? false
    if (!event) return undefined
    this.#usage = this.#facts.usage(event) ?? this.#usage
    this.#options.meter.watch([{ choices: [{ delta: { content: this.#facts.text?.(event) } }] } as ChatChunk])
    return reportsError(event) ? this.#errorOf(event) : undefined
  }

  whole(body: unknown): void {
    const answer = record(body)
    this.#usage = answer && this.#facts.usage(answer)
    this.#options.meter.count(this.#usage, true)
  }

  end(): FerryError | undefined {
    if (this.#facts.isLast !== undefined && !this.#isOver) return truncated(this.#options.target)
    this.#options.meter.count(this.#usage, true)
    return undefined
  }

  settle(): void {
    this.#options.meter.count(this.#usage, false)
  }

  #errorOf(event: Json): FerryError {
    this.#isOver = true
    const { adapter, target } = this.#options
    return adapter.error({ status: 502, headers: {}, body: record(event.error) ? event : { error: event } }, target)
  }
}

const reportsError = (event: Json): boolean => event.type === 'error' || record(event.error) !== undefined

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
