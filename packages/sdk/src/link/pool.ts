import type { LinkSettings } from './options.ts'
import { Relay } from './relay.ts'

/** The relays in order of preference. */
export class RelayPool {
  readonly relays: readonly Relay[]

  constructor(settings: LinkSettings) {
    this.relays = settings.relays.map((addresses) => new Relay(addresses, settings))
  }

  /** The relay for a request that none of `tried` could take: the first that is well, else the first at all. */
  pick(tried: ReadonlySet<Relay>): Relay | undefined {
    const left = this.relays.filter((relay) => !tried.has(relay))
    return left.find(({ isWell }) => isWell) ?? left[0]
  }

  async close(): Promise<void> {
    await Promise.all(this.relays.map((relay) => relay.close()))
  }
}
