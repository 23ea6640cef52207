import { Address, type AddressState } from './address.ts'
import { Meter, type RelayCounters } from './meter.ts'
import type { LinkSettings } from './options.ts'
import { RoundTrips } from './round-trips.ts'

/** A relay as it is now, and what has been counted since the link was opened. */
export interface RelayStats extends Readonly<RelayCounters> {
  /** Host of its first address. */
  readonly relay: string
  /** Whether new requests may go there. */
  readonly isWell: boolean
  readonly addresses: readonly { readonly address: string; readonly state: AddressState }[]
  /** Smoothed round trip in ms; undefined before the first. */
  readonly roundTripMs: number | undefined
  readonly openExchanges: number
  readonly openConnections: number
}

const RANK: Record<AddressState, number> = { well: 0, suspect: 1, down: 2 }

/** A relay as its callers see it: one host, by one or more addresses. */
export class Relay {
  /** Host of its first address. */
  readonly name: string
  readonly roundTrips: RoundTrips
  readonly meter: Meter
  readonly #addresses: readonly Address[]
  #openExchanges = 0
  #wasWell = true

  constructor(urls: readonly URL[], settings: LinkSettings) {
    const [first] = urls
    if (first === undefined) throw new TypeError('a relay needs at least one address')
    this.name = first.host
    this.roundTrips = new RoundTrips({ leastMs: settings.leastSilenceMs, mostMs: settings.mostSilenceMs })
    this.meter = new Meter(this.name, settings.hooks)
    const { roundTrips, meter } = this
    const onChange = (): void => this.#noteHealth()
    this.#addresses = urls.map((url) => new Address({ url, settings, roundTrips, meter, onChange }))
  }

  /** Whether new requests should go here. */
  get isWell(): boolean {
    return this.#addresses.some(({ state }) => state !== 'down')
  }

  get addressCount(): number {
    return this.#addresses.length
  }

  /**
   * The best address for a carrier: the first that is well.
   *
   * @param failed where the exchange's last carrier broke: a reset may block an address and port for 90 s, so another one
   * goes first, if there is one.
   */
  address(failed?: Address): Address {
    const rank = (one: Address): number => RANK[one.state] + (one === failed ? 1.5 : 0)
    return this.#addresses.reduce((best, one) => (rank(one) < rank(best) ? one : best))
  }

  /** Its addresses, the best one first. */
  get urls(): readonly [URL, ...URL[]] {
    const best = this.address()
    return [best.url, ...this.#addresses.filter((address) => address !== best).map(({ url }) => url)]
  }

  isAt(host: string | undefined): boolean {
    return this.#addresses.some(({ url }) => url.host === host)
  }

  /** Keeps connections open ahead of need: so many at the first address, one at each other. */
  keepWarm(spare: number): void {
    for (const [i, address] of this.#addresses.entries()) address.keepWarm(i === 0 ? spare : Math.min(1, spare))
  }

  /** A connection broke under an answer that had begun: where there is another address, that one is asked to be sure. */
  broke(address: Address): void {
    if (this.#addresses.length > 1) address.broke()
  }

  /** It takes nothing new, by whatever address. */
  refused(): void {
    for (const address of this.#addresses) address.failed()
  }

  exchangeOpened(): void {
    this.#openExchanges++
  }

  exchangeClosed(): void {
    this.#openExchanges--
  }

  get stats(): RelayStats {
    for (const address of this.#addresses) address.count()
    return {
      ...this.meter.counters,
      relay: this.name,
      isWell: this.isWell,
      addresses: this.#addresses.map(({ url, state }) => ({ address: url.host, state })),
      roundTripMs: this.roundTrips.ms,
      openExchanges: this.#openExchanges,
      openConnections: this.#addresses.reduce((sum, { open }) => sum + open, 0),
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#addresses.map((address) => address.close()))
  }

  #noteHealth(): void {
    const { isWell } = this
    if (isWell === this.#wasWell) return
    this.#wasWell = isWell
    this.meter.healthChanged(isWell)
  }
}
