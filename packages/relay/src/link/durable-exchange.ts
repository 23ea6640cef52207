import type { ErrorCode } from '@llm-ferry/sdk'
import { type KeptBytes, ReplayBuffer } from './replay-buffer.ts'

/** Head of an answer. */
export interface AnswerHead {
  readonly status: number
  readonly reason: string
  /** Names and values alternating. */
  readonly headers: readonly string[]
}

/** How an answer ended. */
export type Ending =
  | { readonly kind: 'complete'; readonly bytes: number; readonly trailers: readonly string[] }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }

/** One carrier's way back to the caller. */
export interface Reader {
  /** The head; `offset` is where the data will begin. */
  head(head: AnswerHead, offset: number): void
  /** Takes all of it; false when no more should follow until {@link DurableExchange.drained}. */
  data(bytes: Buffer): boolean
  /** Nothing follows. */
  end(ending: Ending): void
}

/** The vendor's side, as far as it can be steered. */
export interface VendorSide {
  pause(): void
  resume(): void
}

/** What an exchange needs of the process it lives in. */
export interface ExchangeOptions {
  readonly name: string
  readonly fingerprint: string
  readonly kept: KeptBytes
  /** How long it may go unread, in ms. */
  readonly graceMs: number
  readonly onHeld: (delta: number) => void
  /** Whether the process has no room left. */
  readonly isOutOfRoom: () => boolean
  /** Ends the vendor's call; called at most once, and only while it runs. */
  readonly cancelVendor: () => void
  /** The vendor's side has ended. */
  readonly onFinished: () => void
  /** Nobody can reach the exchange any more. */
  readonly onGone: () => void
  /** Runs something after what this turn brings, so that pieces of one socket read travel on together. */
  readonly defer: (task: () => void) => void
}

/**
 * One call to a vendor and its answer, kept apart from the connections that carry it: docs/link.md has its states.
 */
export class DurableExchange {
  readonly #options: ExchangeOptions
  readonly #buffer: ReplayBuffer
  #head: AnswerHead | undefined
  #ending: Ending | undefined
  #reader: Reader | undefined
  #cursor = 0
  #hasSentHead = false
  #isBlocked = false
  #isPumping = false
  #vendor: VendorSide | undefined
  #isPaused = false
  #isGone = false
  #grace: NodeJS.Timeout | undefined
  readonly #endTurn = (): void => {
    this.#isPumping = false
    this.#pump()
  }

  constructor(options: ExchangeOptions) {
    this.#options = options
    this.#buffer = new ReplayBuffer(options.kept, options.onHeld)
    this.#startGrace()
  }

  get name(): string {
    return this.#options.name
  }

  get fingerprint(): string {
    return this.#options.fingerprint
  }

  get hasReader(): boolean {
    return this.#reader !== undefined
  }

  get hasHead(): boolean {
    return this.#head !== undefined
  }

  get isFinished(): boolean {
    return this.#ending !== undefined
  }

  /** Lowest offset that can be attached at. */
  get start(): number {
    return this.#buffer.start
  }

  /** Length of the answer so far. */
  get end(): number {
    return this.#buffer.end
  }

  /** Gives the answer from `offset` on to this reader; whoever read before is told to leave. */
  attach(reader: Reader, offset: number): void {
    this.#reader?.end(DISPLACED)
    clearTimeout(this.#grace)
    this.#reader = reader
    this.#cursor = offset
    this.#hasSentHead = false
    this.#isBlocked = false
    this.#pump()
  }

  /** The reader's connection is gone; whether it still had something to read. */
  left(reader: Reader): boolean {
    if (reader !== this.#reader) return false
    this.#reader = undefined
    this.#startGrace()
    this.#steer()
    return true
  }

  /** The reader takes more. */
  drained(reader: Reader): void {
    if (reader !== this.#reader) return
    this.#isBlocked = false
    this.#pump()
  }

  /** The vendor's head. */
  answer(head: AnswerHead): void {
    this.#head = head
    this.#schedule()
  }

  /** Bytes of the vendor's body. */
  add(bytes: Buffer, vendor: VendorSide): void {
    if (this.#isGone) return
    this.#vendor = vendor
    this.#buffer.add(bytes)
    this.#steer()
    this.#schedule()
  }

  /** The vendor's side is over, one way or the other. */
  finish(ending: Ending): void {
    if (this.#isGone || this.#ending !== undefined) return
    this.#ending = ending
    this.#options.onFinished()
    this.#schedule()
  }

  /** Ends it for good: the vendor's call if it runs, the reader, the buffer. */
  abandon(ending: Ending = CANCELLED): void {
    if (this.#isGone) return
    this.#isGone = true
    clearTimeout(this.#grace)
    if (this.#ending === undefined) this.#options.cancelVendor()
    this.#reader?.end(ending)
    this.#reader = undefined
    this.#buffer.clear()
    this.#options.onGone()
  }

  /** The process has no room: what was handed on is kept in a window only, and unread vendors pause. */
  tighten(): void {
    this.#buffer.tighten()
    this.#steer()
  }

  #schedule(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    this.#options.defer(this.#endTurn)
  }

  #pump(): void {
    this.#buffer.endTurn()
    const reader = this.#reader
    if (reader === undefined) return
    if (this.#head !== undefined && !this.#hasSentHead) {
      this.#hasSentHead = true
      reader.head(this.#head, this.#cursor)
    }
    while (!this.#isBlocked && this.#reader === reader) {
      const bytes = this.#buffer.from(this.#cursor)
      if (bytes === undefined) break
      this.#cursor += bytes.length
      this.#isBlocked = !reader.data(bytes)
      this.#buffer.handedOn(this.#cursor)
    }
    if (this.#ending !== undefined && this.#cursor === this.#buffer.end) this.#finishReader(reader, this.#ending)
    this.#steer()
  }

  #finishReader(reader: Reader, ending: Ending): void {
    if (this.#reader !== reader) return
    this.#reader = undefined
    this.#startGrace()
    reader.end(ending)
  }

  /** With a reader only its socket pauses the vendor; without one a full buffer does. */
  #steer(): void {
    const hasNoRoom = this.#buffer.isFull || this.#options.isOutOfRoom()
    const shouldPause = this.#reader === undefined ? hasNoRoom : this.#isBlocked
    if (shouldPause === this.#isPaused || this.#vendor === undefined || this.#ending !== undefined) return
    this.#isPaused = shouldPause
    if (shouldPause) this.#vendor.pause()
    else this.#vendor.resume()
  }

  #startGrace(): void {
    clearTimeout(this.#grace)
    this.#grace = setTimeout(() => this.abandon(), this.#options.graceMs)
  }
}

const DISPLACED: Ending = { kind: 'failed', code: 'conflict', message: 'Another reader has taken over.' }
const CANCELLED: Ending = { kind: 'failed', code: 'client_closed', message: 'The exchange was cancelled.' }
