/** A connection that was opened. */
export interface ConnectionEvent {
  /** Host of the relay: its first address. */
  readonly relay: string
  /** Host and port that it goes to. */
  readonly address: string
  /** TCP and TLS together, in ms. */
  readonly durationMs: number
  /** Whether an earlier TLS session was resumed, which spares the certificates. */
  readonly isTlsResumed: boolean
}

/** A connection that broke, or said nothing for too long, while it carried an exchange that goes on. */
export interface ReconnectEvent {
  readonly relay: string
  /** The address that failed. */
  readonly address: string
  /** The connection was given up because it was silent; else it broke. */
  readonly isStall: boolean
  /** Bytes of the vendor's answer that had arrived. */
  readonly offset: number
}

/** A request that its relay could not take and the vendor has certainly not seen, on its way to another relay. */
export interface FailoverEvent {
  readonly from: string
  readonly to: string
}

/** A relay that gets no new requests from now on, or gets them again. */
export interface HealthEvent {
  readonly relay: string
  readonly isWell: boolean
}

/** An exchange that is over. */
export interface ExchangeEvent {
  readonly relay: string
  /** `complete`: whole; `failed`: an error in its place or in the middle; `left`: the caller wanted no more. */
  readonly outcome: 'complete' | 'failed' | 'left'
  /** HTTP requests that it took. */
  readonly carriers: number
  /** Bytes of the vendor's answer. */
  readonly answerBytes: number
  /** Of these, what connections after the first brought. */
  readonly resumedBytes: number
  /** From the request to the last byte, in ms. */
  readonly durationMs: number
}

/**
 * Functions that are told what happens on the link, for logs, traces and metrics. What they throw is thrown away.
 *
 * @example
 * createLink({ relays, hooks: { onFailover: ({ from, to }) => log.warn({ from, to }, 'relay_left') } })
 */
export interface LinkHooks {
  readonly onConnection?: ((event: ConnectionEvent) => void) | undefined
  readonly onReconnect?: ((event: ReconnectEvent) => void) | undefined
  readonly onFailover?: ((event: FailoverEvent) => void) | undefined
  readonly onHealth?: ((event: HealthEvent) => void) | undefined
  readonly onExchange?: ((event: ExchangeEvent) => void) | undefined
}
