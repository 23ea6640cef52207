import { type CountedConnector, countedConnector } from './connect.ts'
import { ConnectionPool } from './connection-pool.ts'
import type { Meter } from './meter.ts'
import type { LinkSettings } from './options.ts'
import { probe, type Send } from './probe.ts'
import type { RoundTrips } from './round-trips.ts'

/** `suspect`: a connection broke, which may be chance. `down`: it did not do what was asked of it. */
export type AddressState = 'well' | 'suspect' | 'down'

/** Pause between two questions whether an address is well again. */
const PROBE_EVERY_MS = 1000
const PROBE_TIMEOUT_MS = 2000
/** Rest after the second failure in a row; it doubles with each up to the longest. A probe alone would be believed too soon. */
const FIRST_REST_MS = 1000
const LONGEST_REST_MS = 15_000
/** How often connections are looked after, and how long one may be idle before it is asked for a sign of life. */
const TEND_EVERY_MS = 5000
const IDLE_MS = 15_000
/** Idle connections that nobody keeps warm are given up before the relay does it, which keeps them for 90 s. */
const KEEP_ALIVE_MS = 60_000
/** Requests of this last time tell how many will come in the next. */
const DEMAND_MS = 1000
/** Most idle connections that are kept warm for the next peak. */
const MOST_WARM = 32

/** What an address needs of its relay. */
export interface AddressOptions {
  readonly url: URL
  readonly settings: LinkSettings
  readonly roundTrips: RoundTrips
  readonly meter: Meter
  readonly onChange: () => void
}

/** One address of a relay, its connections, and whether it is well. */
export class Address {
  readonly url: URL
  readonly #options: AddressOptions
  readonly #connector: CountedConnector
  #connections: ConnectionPool
  #state: AddressState = 'well'
  #failures = 0
  #restsUntil = 0
  #probing: NodeJS.Timeout | undefined
  #tending: NodeJS.Timeout | undefined
  #spare = 0
  #peak = 0
  #busy = 0
  /** Connections that are being opened ahead. */
  #opening = 0
  /** When the last requests began, at most as many as are kept warm. */
  #starts: number[] = []
  #isClosed = false

  constructor(options: AddressOptions) {
    this.#options = options
    const { url, settings, meter } = options
    this.url = url
    this.#connector = countedConnector({ ...settings, meter })
    this.#connections = this.#newPool()
  }

  get state(): AddressState {
    return this.#state
  }

  get dispatcher(): ConnectionPool {
    return this.#connections
  }

  /** Connections that are open. */
  get open(): number {
    return this.#connector.open
  }

  /** The path on this address, below its base URL. */
  pathOf(path: string): string {
    return `${this.url.pathname.replace(/\/$/, '')}${path}`
  }

  /** Brings the counted bytes up to date. */
  count(): void {
    this.#connector.count()
  }

  /** From now on so many connections stand by, open and idle. */
  keepWarm(spare: number): void {
    this.#spare = spare
    if (this.#isClosed || spare === 0) return
    this.#tending ??= setInterval(() => this.#tend(), TEND_EVERY_MS).unref()
    this.#openAhead()
  }

  /** Notes that a request takes one of the connections; the result is to be called when it is over. */
  use(): () => void {
    this.#busy++
    this.#peak = Math.max(this.#peak, this.#busy)
    this.#starts.push(performance.now())
    if (this.#starts.length > MOST_WARM) this.#starts.shift()
    // After the request has taken its connection.
    setImmediate(() => this.#openAhead())
    return () => {
      this.#busy--
    }
  }

  /** It has taken a request. */
  succeeded(): void {
    this.#failures = 0
  }

  /** One of its connections broke under an answer. */
  broke(): void {
    this.#change('suspect')
  }

  /**
   * It did not do what it should: it gets nothing new until it has rested and answered a probe.
   *
   * @param connections those that failed: what is said of former ones is no news.
   */
  failed(connections = this.#connections): void {
    if (connections !== this.#connections || this.#isClosed) return
    this.#renew()
    // Requests that ask it again while it is down tell nothing new.
    if (this.#state === 'down') return
    this.#failures++
    const restMs = this.#failures < 2 ? 0 : FIRST_REST_MS * 2 ** Math.min(this.#failures - 2, 10)
    this.#restsUntil = performance.now() + Math.min(restMs, LONGEST_REST_MS)
    this.#change('down')
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#probing)
    clearInterval(this.#tending)
    await this.#connections.destroy()
  }

  /** Leaves its connections to those who use them. Idle ones may be as dead as the one that failed. */
  #renew(): void {
    const former = this.#connections
    this.#connections = this.#newPool()
    void former.close().catch(() => {})
  }

  #newPool(): ConnectionPool {
    return new ConnectionPool(this.url.origin, {
      connect: this.#connector.connect,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  #change(state: 'suspect' | 'down'): void {
    if (this.#isClosed) return
    if (this.#state !== 'down') {
      this.#state = state
      this.#options.onChange()
    }
    if (this.#probing === undefined) this.#askLater(0)
  }

  #askLater(afterMs: number): void {
    this.#probing = setTimeout(() => void this.#ask(), afterMs).unref()
  }

  async #ask(): Promise<void> {
    const isReady = await this.#probe((...asked) => this.#connections.dispatchOnNew(...asked))
    if (this.#isClosed) return
    if (!isReady || performance.now() < this.#restsUntil) {
      if (!isReady) this.#state = 'down'
      this.#options.onChange()
      this.#askLater(PROBE_EVERY_MS)
      return
    }
    this.#probing = undefined
    this.#state = 'well'
    this.#options.onChange()
    this.#openAhead()
  }

  async #probe(send: Send): Promise<boolean> {
    const timeoutMs = Math.min(PROBE_TIMEOUT_MS, 3 * this.#options.roundTrips.slackMs)
    return (await probe(send, this.url.origin, this.pathOf('/ready'), timeoutMs)).isReady
  }

  #tend(): void {
    this.#peak = Math.max(this.#busy, this.#peak * 0.9)
    if (this.#state === 'down') return
    this.#openAhead()
    // What is more than the last minutes needed is left to grow old.
    const wanted = Math.max(this.#spare, Math.ceil(this.#peak) - this.#busy)
    if (this.#connections.free > Math.min(MOST_WARM, wanted)) return
    const connections = this.#connections
    let wasSent = false
    const send: Send = (...asked) => {
      wasSent = connections.dispatchOnOldest(IDLE_MS, ...asked)
      if (!wasSent) throw new Error('nothing is idle')
      return true
    }
    void this.#probe(send).then((isReady) => {
      if (wasSent && !isReady) this.failed(connections)
    })
  }

  /** As many as are spare, or as began in the last second: a new one takes two round trips until it is of use. */
  #openAhead(): void {
    if (this.#isClosed || this.#spare === 0 || this.#state === 'down') return
    const since = performance.now() - DEMAND_MS
    const wanted = Math.max(this.#spare, this.#starts.filter((at) => at > since).length)
    for (let missing = wanted - this.#connections.free - this.#opening; missing > 0; missing--) void this.#openOne()
  }

  async #openOne(): Promise<void> {
    const connections = this.#connections
    this.#opening++
    const isReady = await this.#probe((...asked) => connections.dispatchOnNew(...asked))
    this.#opening--
    if (!isReady) this.failed(connections)
  }
}
