import type { ServerResponse } from 'node:http'
import { FerryError } from '@llm-ferry/sdk'

/** An answer's head. */
export interface AnswerHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[]>>
}

/** What recordings may hold, in bytes. */
export interface RecordingLimits {
  /** Of one answer; of a longer one only what its readers have yet to read. */
  readonly maxBytes: number
  /** Changes what all recordings hold together; `false`: more than they may. */
  readonly hold: (delta: number) => boolean
}

/** The reader that is furthest may be behind by this much before the writer waits, in bytes. */
const HIGH_WATER_BYTES = 262_144

/** What a recording tells its owner. */
export interface RecordingEvents {
  /** Readers have caught up. */
  onDrain(): void
  /** The last reader left before the end. */
  onDeserted(): void
}

/** Where a reader is: the piece it gets next, counted from the answer's first. */
interface Reader {
  readonly response: ServerResponse
  next: number
  readBytes: number
  isBlocked: boolean
}

/** An answer as it was written, for any number of readers: each gets it from its first byte, as fast as it reads. */
export class Recording {
  readonly #limits: RecordingLimits
  readonly #events: RecordingEvents
  readonly #readers = new Set<Reader>()
  #pieces: Buffer[] = []
  /** Pieces and bytes that are no longer kept. */
  #dropped = 0
  #droppedBytes = 0
  #bytes = 0
  #head: AnswerHead | undefined
  #state: 'open' | 'whole' | 'broken' = 'open'
  #isReleased = false

  constructor(limits: RecordingLimits, events: RecordingEvents) {
    this.#limits = limits
    this.#events = events
  }

  get head(): AnswerHead | undefined {
    return this.#head
  }

  get state(): 'open' | 'whole' | 'broken' {
    return this.#state
  }

  /** The whole answer; undefined when it is not whole, or not kept. */
  get body(): Buffer | undefined {
    return this.#state === 'whole' && this.#dropped === 0 ? Buffer.concat(this.#pieces) : undefined
  }

  get bytes(): number {
    return this.#bytes
  }

  get hasReaders(): boolean {
    return this.#readers.size > 0
  }

  begin(head: AnswerHead): void {
    this.#head ??= head
    for (const reader of this.#readers) this.#pump(reader)
  }

  /** Whether the writer may go on at once. */
  write(piece: Buffer): boolean {
    if (piece.length > 0) {
      this.#pieces.push(piece)
      this.#bytes += piece.length
      const fits = this.#limits.hold(piece.length)
      for (const reader of this.#readers) this.#pump(reader)
      if (!fits || this.#heldBytes > this.#limits.maxBytes) this.#trim()
    }
    return !this.#isAhead
  }

  /** The answer is over: whole, or broken off. */
  end(state: 'whole' | 'broken'): void {
    if (this.#state !== 'open') return
    this.#state = state
    for (const reader of this.#readers) this.#pump(reader)
  }

  /**
   * Lets somebody read it from the first byte on. Resolves when he has it all, or has gone.
   *
   * @throws {FerryError} `exchange_lost` when its beginning is no longer kept.
   */
  read(response: ServerResponse): Promise<void> {
    if (this.#dropped > 0) {
      throw new FerryError('exchange_lost', 'The answer is too long to be given a second time. Nothing is repeated.')
    }
    const reader: Reader = { response, next: 0, readBytes: 0, isBlocked: false }
    this.#readers.add(reader)
    response.on('drain', () => {
      reader.isBlocked = false
      this.#pump(reader)
      this.#caughtUp()
    })
    // Who left before has been told so for the last time.
    const gone = response.closed
      ? Promise.resolve()
      : new Promise<void>((resolve) => response.once('close', () => resolve()))
    this.#pump(reader)
    return gone.then(() => this.#left(reader))
  }

  /** Forgets everything, once its readers have it. */
  release(): void {
    this.#isReleased = true
    if (this.#readers.size > 0) return
    this.#limits.hold(-this.#heldBytes)
    this.#dropped += this.#pieces.length
    this.#droppedBytes = this.#bytes
    this.#pieces = []
  }

  get #heldBytes(): number {
    return this.#bytes - this.#droppedBytes
  }

  /** Nobody keeps up with the writer. */
  get #isAhead(): boolean {
    if (this.#readers.size === 0) return false
    return [...this.#readers].every(({ readBytes }) => this.#bytes - readBytes > HIGH_WATER_BYTES)
  }

  #pump(reader: Reader): void {
    const { response } = reader
    if (response.destroyed) return
    if (this.#head === undefined) {
      if (this.#state === 'broken') response.destroy()
      return
    }
    if (!response.headersSent) response.writeHead(this.#head.status, { ...this.#head.headers })
    while (!reader.isBlocked) {
      const piece = this.#pieces[reader.next - this.#dropped]
      if (piece === undefined) break
      reader.next++
      reader.readBytes += piece.length
      reader.isBlocked = !response.write(piece)
    }
    if (reader.next - this.#dropped < this.#pieces.length || this.#state === 'open') return
    if (this.#state === 'whole') response.end()
    else breakOff(response)
  }

  #caughtUp(): void {
    if (!this.#isAhead) this.#events.onDrain()
  }

  #left(reader: Reader): void {
    this.#readers.delete(reader)
    if (this.#isReleased) this.release()
    this.#caughtUp()
    if (this.#readers.size === 0 && !reader.response.writableFinished) this.#events.onDeserted()
  }

  /** Drops what all readers have; who is too far behind is cut off, because nobody may hold the others' memory. */
  #trim(): void {
    const keepsUp = [...this.#readers].filter(({ readBytes }) => this.#bytes - readBytes <= this.#limits.maxBytes)
    for (const reader of this.#readers) if (!keepsUp.includes(reader)) reader.response.destroy()
    const first = Math.min(this.#dropped + this.#pieces.length, ...keepsUp.map(({ next }) => next))
    const gone = this.#pieces.splice(0, first - this.#dropped)
    const bytes = gone.reduce((sum, { length }) => sum + length, 0)
    this.#dropped = first
    this.#droppedBytes += bytes
    this.#limits.hold(-bytes)
  }
}

/** What is written goes out first: a last event says why. */
function breakOff(response: ServerResponse): void {
  const timer = setTimeout(() => response.destroy(), 1_000)
  response.write('', () => {
    clearTimeout(timer)
    response.destroy()
  })
}
