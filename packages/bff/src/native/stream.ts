import { FerryError } from '@llm-ferry/sdk'
import { createParser } from 'eventsource-parser'
import { broken, type IdleTimer } from '../dispatch/answer.ts'
import type { Exchange } from '../transport.ts'
import { EventSplitter } from './events.ts'
import type { AnswerReader } from './reader.ts'

/** How a stream of events is passed on. */
export interface EventFlow {
  readonly body: Exchange['body']
  readonly reader: AnswerReader
  /** Whether an event is not the caller's. */
  readonly isHidden: (data: string) => boolean
  /** Ends the call: the caller has left, or the stream has been silent for too long. */
  readonly signal: AbortSignal
  readonly idle: IdleTimer
  readonly write: (bytes: Buffer) => Promise<void>
}

/** What a stream came to. */
export interface FlowEnd {
  /** The vendor's own error event, which the caller has. */
  readonly reported: FerryError | undefined
  /** Why it is not whole, if the caller has not been told. */
  readonly fault: FerryError | undefined
  /** Number of the event that would come next, in streams that count them. */
  readonly nextSequence: number
}

/** Passes whole events on as they come, byte for byte. */
export async function passEvents(flow: EventFlow): Promise<FlowEnd> {
  const events = new PassingEvents(flow)
  const fault = await events.pass().catch((error: unknown) => asFerryError(broken(error, flow.signal)))
  flow.idle.stop()
  return { reported: events.reported, fault: events.reported ? undefined : fault, nextSequence: events.nextSequence }
}

const asFerryError = (error: Error): FerryError =>
  FerryError.is(error) ? error : new FerryError('upstream_truncated', 'The answer broke off', { cause: error })

class PassingEvents {
  reported: FerryError | undefined
  nextSequence = 0
  readonly #flow: EventFlow
  readonly #splitter = new EventSplitter()
  readonly #parser = createParser({ onEvent: (event) => this.#read(event) })
  #isHidden = false

  constructor(flow: EventFlow) {
    this.#flow = flow
  }

  /** Resolves with what is wrong with an answer that ended. */
  async pass(): Promise<FerryError | undefined> {
    const { body, reader, idle } = this.#flow
    for await (const piece of body) {
      idle.pause()
      await this.#write(this.#splitter.push(piece))
      idle.restart()
    }
    await this.#write([this.#splitter.rest()])
    this.#parser.reset({ consume: true })
    return reader.end()
  }

  async #write(events: readonly Buffer[]): Promise<void> {
    const shown = events.filter((event) => event.length > 0 && this.#isShown(event))
    const [only] = shown
    if (only) await this.#flow.write(shown.length === 1 ? only : Buffer.concat(shown))
  }

  #isShown(event: Buffer): boolean {
    this.#isHidden = false
    this.#parser.feed(event.toString('utf8'))
    return !this.#isHidden
  }

  #read(event: { event?: string | undefined; data: string }): void {
    const { reader, isHidden } = this.#flow
    this.#isHidden = isHidden(event.data)
    this.reported ??= reader.event(event)
    const [, number] = /"sequence_number"\s*:\s*(\d+)/.exec(event.data) ?? []
    if (number !== undefined) this.nextSequence = Number(number) + 1
  }
}
