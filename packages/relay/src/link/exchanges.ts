import { FerryError } from '@llm-ferry/sdk'
import { DurableExchange } from './durable-exchange.ts'
import { HeldBytes } from './held-bytes.ts'
import type { Knowledge } from './judge.ts'
import type { Markers } from './markers.ts'
import type { KeptBytes } from './replay-buffer.ts'

/** What durable exchanges may hold, and for how long. */
export interface ExchangeLimits {
  readonly kept: KeptBytes
  /** All exchanges together, in bytes. */
  readonly maxBytes: number
  /** How long an exchange may go unread, in ms. */
  readonly graceMs: number
}

/** A new exchange's owner and request. */
export interface Claim {
  /** Hash of token name, scope and id. */
  readonly name: string
  readonly fingerprint: string
  /** Name of the relay token. */
  readonly token: string
  /** Ends the vendor's call; called at most once, and only while it runs. */
  readonly cancelVendor: () => void
  /** The vendor's side has ended. */
  readonly onFinished?: () => void
  /** Nobody can reach the exchange any more. */
  readonly onGone?: () => void
}

interface Entry {
  readonly exchange: DurableExchange
  readonly token: string
}

/** The durable exchanges of this process. */
export class Exchanges {
  readonly #markers: Markers
  readonly #limits: ExchangeLimits
  readonly #isOnlyToken: () => boolean
  readonly #defer: (task: () => void) => void
  readonly #held: HeldBytes
  readonly #entries = new Map<string, Entry>()
  /** Names in the order in which their exchanges ended. */
  readonly #finished = new Set<string>()

  /**
   * @param isOnlyToken whether all exchanges belong to one relay token, which then has no share but everything.
   * @param defer runs something after what this turn brings.
   */
  constructor(
    markers: Markers,
    limits: ExchangeLimits,
    isOnlyToken: () => boolean,
    defer: (task: () => void) => void = process.nextTick,
  ) {
    this.#markers = markers
    this.#limits = limits
    this.#isOnlyToken = isOnlyToken
    this.#defer = defer
    this.#held = new HeldBytes(limits.maxBytes)
  }

  get count(): number {
    return this.#entries.size
  }

  /** Memory held by all, in bytes. */
  get heldBytes(): number {
    return this.#held.total
  }

  /** The exchange of this name that lives here. */
  get(name: string): DurableExchange | undefined {
    return this.#entries.get(name)?.exchange
  }

  /** What is known of a name. */
  look(name: string): Knowledge {
    const exchange = this.get(name)
    if (exchange !== undefined) {
      const { fingerprint, hasReader, start, end } = exchange
      return { kind: 'live', fingerprint, hasReader, start, end }
    }
    const state = this.#markers.look(name)
    return { kind: state === 'claimed' ? 'lost' : state }
  }

  /**
   * Makes room and claims a free name: whoever gets an exchange may call the vendor, and nobody else. Undefined when
   * another process was first.
   *
   * @throws {FerryError} `overloaded` when there is no room.
   */
  claim(claim: Claim): DurableExchange | undefined {
    const { name, token } = claim
    this.#makeRoom(token)
    if (!this.#markers.claim(name)) return undefined
    const exchange = new DurableExchange({
      name,
      fingerprint: claim.fingerprint,
      kept: this.#limits.kept,
      graceMs: this.#limits.graceMs,
      onHeld: (delta) => this.#changeHeld(token, delta),
      isOutOfRoom: () => this.#held.isFull,
      cancelVendor: claim.cancelVendor,
      onFinished: () => {
        this.#finished.add(name)
        claim.onFinished?.()
      },
      onGone: () => {
        this.#forget(name)
        claim.onGone?.()
      },
      defer: this.#defer,
    })
    this.#entries.set(name, { exchange, token })
    return exchange
  }

  /** Ends an exchange that lives here; a free name is marked, so that it cannot start. Whether there was one. */
  cancel(name: string): boolean {
    const exchange = this.get(name)
    if (exchange === undefined) {
      this.#markers.cancel(name)
      return false
    }
    exchange.abandon()
    return true
  }

  /** Ends everything that lives here. */
  abandonAll(): void {
    for (const { exchange } of [...this.#entries.values()]) exchange.abandon()
  }

  /** Keeps the markers of what lives here from ageing; to be called every minute. */
  refreshMarkers(): void {
    for (const name of this.#entries.keys()) this.#markers.refresh(name)
  }

  #makeRoom(token: string): void {
    while (this.#held.isOverShare(token, this.#isOnlyToken()) && this.#evict(token));
    while (this.#held.isFull && this.#evict());
    if (!this.#held.isFull && !this.#held.isOverShare(token, this.#isOnlyToken())) return
    throw new FerryError('overloaded', 'The relay holds as many answers as it may. Try again soon.', {
      retryAfterMs: 1000,
    })
  }

  #changeHeld(token: string, delta: number): void {
    this.#held.change(token, delta)
    if (delta <= 0 || !this.#held.isFull) return
    while (this.#held.isFull && this.#evict());
    if (this.#held.isFull) for (const { exchange } of this.#entries.values()) exchange.tighten()
  }

  /** Forgets the finished, unread exchange that ended first; false when there is none. */
  #evict(token?: string): boolean {
    for (const name of this.#finished) {
      const entry = this.#entries.get(name)
      if (entry === undefined || entry.exchange.hasReader || (token ?? entry.token) !== entry.token) continue
      entry.exchange.abandon()
      return true
    }
    return false
  }

  #forget(name: string): void {
    this.#entries.delete(name)
    this.#finished.delete(name)
  }
}
