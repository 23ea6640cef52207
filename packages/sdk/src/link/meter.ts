import type { ConnectionEvent, ExchangeEvent, LinkHooks, ReconnectEvent } from './hooks.ts'

/** What has been counted for one relay since the link was opened. */
export interface RelayCounters {
  /** Connections opened, those among them that resumed a TLS session, and attempts that failed. */
  connectionsOpened: number
  tlsResumptions: number
  connectionFailures: number
  /** Requests that were refused because of our client certificate, or for want of one. */
  certificateRefusals: number
  /** HTTP requests that carried exchanges. One a connection opened at least, many more when connections are reused. */
  carriers: number
  /** Exchanges by how they ended. */
  complete: number
  failed: number
  left: number
  /** Of the failed ones, those whose answer the relay no longer holds or that it could not be asked for. */
  lost: number
  /** Connections that broke, or were silent for too long, under an exchange that went on. */
  breaks: number
  stalls: number
  /** Bytes of answers that connections after an exchange's first brought. */
  resumedBytes: number
  /** Requests that went from here to another relay, because the vendor had certainly not seen them. */
  failovers: number
  /** Requests that crossed as their difference from an earlier body, and those whose relay no longer had that. */
  differences: number
  differenceMisses: number
  /** Bytes of bodies as callers and vendors wrote them. */
  rawBytesUp: number
  rawBytesDown: number
  /** Bytes of all connections as they were on the wire, TLS, heads and probes included. */
  wireBytesUp: number
  wireBytesDown: number
}

const NOTHING: RelayCounters = {
  connectionsOpened: 0,
  tlsResumptions: 0,
  connectionFailures: 0,
  certificateRefusals: 0,
  carriers: 0,
  complete: 0,
  failed: 0,
  left: 0,
  lost: 0,
  breaks: 0,
  stalls: 0,
  resumedBytes: 0,
  failovers: 0,
  differences: 0,
  differenceMisses: 0,
  rawBytesUp: 0,
  rawBytesDown: 0,
  wireBytesUp: 0,
  wireBytesDown: 0,
}

/** Counts what happens on the way to one relay, and tells who asked to be told. */
export class Meter {
  /** Those without an event of their own are counted by whoever sees them. */
  readonly counters: RelayCounters = { ...NOTHING }
  readonly #relay: string
  readonly #hooks: LinkHooks

  constructor(relay: string, hooks: LinkHooks) {
    this.#relay = relay
    this.#hooks = hooks
  }

  connected(event: Omit<ConnectionEvent, 'relay'>): void {
    this.counters.connectionsOpened++
    if (event.isTlsResumed) this.counters.tlsResumptions++
    tell(this.#hooks.onConnection, { relay: this.#relay, ...event })
  }

  reconnecting(event: Omit<ReconnectEvent, 'relay'>): void {
    if (event.isStall) this.counters.stalls++
    else this.counters.breaks++
    tell(this.#hooks.onReconnect, { relay: this.#relay, ...event })
  }

  failedOver(to: string): void {
    this.counters.failovers++
    tell(this.#hooks.onFailover, { from: this.#relay, to })
  }

  healthChanged(isWell: boolean): void {
    tell(this.#hooks.onHealth, { relay: this.#relay, isWell })
  }

  exchangeOver(event: Omit<ExchangeEvent, 'relay'>): void {
    this.counters[event.outcome]++
    this.counters.rawBytesDown += event.answerBytes
    this.counters.resumedBytes += event.resumedBytes
    tell(this.#hooks.onExchange, { relay: this.#relay, ...event })
  }
}

function tell<E>(hook: ((event: E) => void) | undefined, event: E): void {
  try {
    hook?.(event)
  } catch {
    // An observer's fault must not cost anybody an answer.
  }
}
