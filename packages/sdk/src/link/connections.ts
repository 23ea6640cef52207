import { Client, Dispatcher } from 'undici'
import type { CountedConnector } from './connect.ts'

/** Idle connections that nobody keeps warm are given up before the relay does it, which keeps them for 90 s. */
const KEEP_ALIVE_MS = 60_000

interface Connection {
  readonly client: Client
  /** When it last did something. */
  usedAt: number
}

/**
 * The connections to one address, one request at a time on each. A request takes the one that was used last, whose
 * congestion window is widest; those that are left over grow old at the other end.
 */
export class Connections extends Dispatcher {
  readonly #origin: string
  readonly #connector: CountedConnector
  #all: Connection[] = []
  #isClosed = false

  constructor(origin: string, connector: CountedConnector) {
    super()
    this.#origin = origin
    this.#connector = connector
  }

  /** Connections that are open and carry nothing. */
  get free(): number {
    return this.#free().length
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#on(this.#newest() ?? this.#open(), options, handler)
  }

  /** Opens one more, by this request. */
  dispatchOnNew(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#on(this.#open(), options, handler)
  }

  /** Sends a request over the free connection that has been idle longest, if that is for `idleMs` at least. */
  dispatchOnOldest(idleMs: number, options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const oldest = this.#free().sort((a, b) => a.usedAt - b.usedAt)[0]
    if (oldest === undefined || performance.now() - oldest.usedAt < idleMs) return false
    return this.#on(oldest, options, handler)
  }

  /** Lets requests end, and closes what is idle. */
  override async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#all.map(({ client }) => client.close()))
  }

  override async destroy(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#all.map(({ client }) => client.destroy()))
  }

  #on(connection: Connection, options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    connection.usedAt = performance.now()
    return connection.client.dispatch(options, handler)
  }

  #free(): Connection[] {
    return this.#all.filter(({ client }) => client.stats.connected && client.stats.size === 0)
  }

  #newest(): Connection | undefined {
    return this.#free().sort((a, b) => b.usedAt - a.usedAt)[0]
  }

  #open(): Connection {
    if (this.#isClosed) throw new Error('the link is closed')
    const client = new Client(this.#origin, {
      connect: this.#connector.connect,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    const connection: Connection = { client, usedAt: performance.now() }
    const forget = (): void => this.#forget(connection)
    client.on('disconnect', forget)
    client.on('connectionError', forget)
    this.#all.push(connection)
    return connection
  }

  /** A connection that is gone is not opened again: its successor may go to another address. */
  #forget(connection: Connection): void {
    this.#all = this.#all.filter((one) => one !== connection)
    void connection.client.close().catch(() => {})
  }
}
