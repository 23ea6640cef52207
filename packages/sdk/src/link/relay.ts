import { Agent, type Dispatcher } from 'undici'
import type { LinkSettings } from './options.ts'
import { RoundTrips } from './round-trips.ts'

/** Idle connections are given up before the relay does it, which keeps them for 90 s. */
const KEEP_ALIVE_MS = 60_000
/** Pauses between two questions whether a relay is well again. */
const PROBE_EVERY_MS = 2000
const PROBE_TIMEOUT_MS = 2000

/** A relay as its callers see it: its addresses, its connections, and whether it is well. */
export class Relay {
  readonly roundTrips: RoundTrips
  readonly #addresses: readonly URL[]
  readonly #settings: LinkSettings
  #address = 0
  #dispatcher: Dispatcher
  #probe: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(addresses: readonly URL[], settings: LinkSettings) {
    this.#addresses = addresses
    this.#settings = settings
    this.#dispatcher = this.#connect()
    this.roundTrips = new RoundTrips({ leastMs: settings.leastSilenceMs, mostMs: settings.mostSilenceMs })
  }

  /** Whether new requests should go here. */
  get isWell(): boolean {
    return this.#probe === undefined
  }

  get url(): URL {
    return this.#addresses[this.#address] as URL
  }

  get dispatcher(): Dispatcher {
    return this.#dispatcher
  }

  /** The path on this relay, below its base URL. */
  pathOf(path: string): string {
    return `${this.url.pathname.replace(/\/$/, '')}${path}`
  }

  /** Notes that it does not do what it should: it gets nothing new until it has answered a probe. */
  failed(): void {
    this.renew()
    if (this.#isClosed || this.#probe !== undefined) return
    this.#schedule(0)
  }

  /** Leaves its connections to those who use them, and opens new ones at its next address. */
  renew(): void {
    if (this.#isClosed) return
    const former = this.#dispatcher
    this.#address = (this.#address + 1) % this.#addresses.length
    this.#dispatcher = this.#connect()
    // Waits for what runs; idle connections, which may be as dead as the one that failed, close at once.
    void former.close().catch(() => {})
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#probe)
    await this.#dispatcher.destroy()
  }

  #connect(): Dispatcher {
    const { connectMs, ca } = this.#settings
    return new Agent({
      allowH2: false,
      connect: { timeout: connectMs, ...(ca === undefined ? {} : { ca }) },
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  #schedule(afterMs: number): void {
    this.#probe = setTimeout(() => void this.#ask(), afterMs)
    this.#probe.unref()
  }

  async #ask(): Promise<void> {
    const isReady = await this.#isReady()
    if (this.#isClosed) return
    if (isReady) this.#probe = undefined
    else {
      this.renew()
      this.#schedule(PROBE_EVERY_MS)
    }
  }

  async #isReady(): Promise<boolean> {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS)
    try {
      const { origin } = this.url
      const answer = await this.#dispatcher.request({ origin, path: this.pathOf('/ready'), method: 'GET', signal })
      await answer.body.dump()
      return answer.statusCode === 200
    } catch {
      return false
    }
  }
}
