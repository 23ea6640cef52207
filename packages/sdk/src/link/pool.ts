import type { LinkSettings } from './options.ts'
import { Relay, type RelayStats } from './relay.ts'

/** The relays in order of preference. */
export class RelayPool {
  readonly relays: readonly Relay[]
  readonly #first: Relay
  readonly #spare: number
  #isWarm = false

  constructor(settings: LinkSettings) {
    const [first, ...rest] = settings.relays.map((addresses) => new Relay(addresses, settings))
    if (first === undefined) throw new TypeError('a link needs at least one relay')
    this.#first = first
    this.#spare = settings.spareConnections
    this.relays = [first, ...rest]
  }

  /** The relay for a new request: the first that is well, else the first at all. */
  get preferred(): Relay {
    return this.relays.find(({ isWell }) => isWell) ?? this.#first
  }

  /** Addresses of all relays: of those that are well first, each relay's best one first. */
  get urls(): readonly [URL, ...URL[]] {
    const { preferred } = this
    const well = this.relays.filter((relay) => relay !== preferred && relay.isWell)
    const others = this.relays.filter((relay) => relay !== preferred && !relay.isWell)
    const [first, ...rest] = preferred.urls
    return [first, ...rest, ...[...well, ...others].flatMap(({ urls }) => urls)]
  }

  /** The relay that has this host among its addresses. */
  at(host: string | undefined): Relay | undefined {
    return this.relays.find((relay) => relay.isAt(host))
  }

  /** The relay for a request that none of `tried` could take. */
  after(tried: ReadonlySet<Relay>): Relay | undefined {
    const left = this.relays.filter((relay) => !tried.has(relay))
    return left.find(({ isWell }) => isWell) ?? left[0]
  }

  /** Keeps connections open from now on: the relay in use has all that are spare, the others one, for the day they are needed. */
  keepWarm(): void {
    if (this.#isWarm) return
    this.#isWarm = true
    for (const relay of this.relays) relay.keepWarm(relay === this.#first ? this.#spare : Math.min(1, this.#spare))
  }

  get stats(): readonly RelayStats[] {
    return this.relays.map(({ stats }) => stats)
  }

  async close(): Promise<void> {
    await Promise.all(this.relays.map((relay) => relay.close()))
  }
}
