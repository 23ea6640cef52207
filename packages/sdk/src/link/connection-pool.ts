import { Client, Dispatcher, errors } from 'undici'

/**
 * An open connection that carries nothing, in a list by the time since when. The list is linked, because thousands may
 * become free together and leave it from the middle one by one, as they are closed.
 */
interface Connection {
  readonly client: Client
  /** Whether TCP and TLS are made. */
  isOpen: boolean
  isFree: boolean
  /** When it last did something. */
  usedAt: number
  older: Connection | undefined
  newer: Connection | undefined
}

/**
 * Connections to one origin, one request at a time on each, without a limit on their number. A request takes the one
 * that was used last, whose congestion window is widest; those that are left over grow old and are closed.
 *
 * What a request costs does not depend on how many others are under way: undici's own `Pool` looks at every connection
 * for each, which with 5,000 open streams was a fifth of a relay's time.
 */
export class ConnectionPool extends Dispatcher {
  readonly #origin: string
  readonly #options: Client.Options
  readonly #all: Set<Connection> = new Set()
  #newest: Connection | undefined
  #oldest: Connection | undefined
  #free = 0
  /** Whose request began last. */
  #last: Connection | undefined
  #isClosed = false

  /**
   * @param options of each connection. Pipelining is off. A connection that closes is not opened again under a waiting
   *   request: the next request opens another.
   */
  constructor(origin: string, options: Client.Options) {
    super()
    this.#origin = origin
    this.#options = options
  }

  /** Connections that are open and carry nothing. */
  get free(): number {
    return this.#free
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#on(this.#justDone() ?? this.#newest, options, handler)
  }

  /** Opens one more, by this request. */
  dispatchOnNew(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#on(undefined, options, handler)
  }

  /** Sends a request over the free connection that has been idle longest, if that is for `idleMs` at least. */
  dispatchOnOldest(idleMs: number, options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const oldest = this.#oldest
    if (oldest === undefined || performance.now() - oldest.usedAt < idleMs) return false
    return this.#on(oldest, options, handler)
  }

  /** Lets requests end, and closes what is idle. */
  override async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled([...this.#all].map(({ client }) => client.close()))
  }

  /** Cuts everything. */
  override async destroy(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled([...this.#all].map(({ client }) => client.destroy()))
  }

  #on(free: Connection | undefined, options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.#isClosed) {
      handler.onResponseError?.(undefined as never, new errors.ClientClosedError('the connections are closed'))
      return false
    }
    const connection = free ?? this.#open()
    this.#take(connection)
    this.#last = connection
    connection.usedAt = performance.now()
    connection.client.dispatch(options, handler)
    // A request that is refused for what it is leaves the connection as it was, and no event tells so.
    this.#settle(connection)
    return true
  }

  #open(): Connection {
    const client = new Client(this.#origin, { ...this.#options, pipelining: 1 })
    const connection: Connection = {
      client,
      isOpen: false,
      isFree: false,
      usedAt: 0,
      older: undefined,
      newer: undefined,
    }
    const forget = (): void => this.#forget(connection)
    client.on('connect', () => {
      connection.isOpen = true
      this.#settle(connection)
    })
    client.on('drain', () => this.#settle(connection))
    client.on('disconnect', forget)
    client.on('connectionError', forget)
    this.#all.add(connection)
    return connection
  }

  /** undici tells a turn late that a request is over; who asks one thing after the other should not need a second connection. */
  #justDone(): Connection | undefined {
    if (this.#last === undefined) return undefined
    const { connected, size } = this.#last.client.stats
    return connected && size === 0 ? this.#last : undefined
  }

  /** Puts a connection that has nothing to do among the free ones. */
  #settle(connection: Connection): void {
    if (connection.isFree || !connection.isOpen || connection.client.stats.size > 0) return
    connection.isFree = true
    connection.older = this.#newest
    if (this.#newest === undefined) this.#oldest = connection
    else this.#newest.newer = connection
    this.#newest = connection
    this.#free++
  }

  #take(connection: Connection): void {
    if (!connection.isFree) return
    const { older, newer } = connection
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
    connection.isFree = false
    connection.older = undefined
    connection.newer = undefined
    this.#free--
  }

  /** A connection that is gone is not opened again: its successor may go to another address. */
  #forget(connection: Connection): void {
    connection.isOpen = false
    if (this.#last === connection) this.#last = undefined
    this.#take(connection)
    if (this.#all.delete(connection)) void connection.client.close().catch(() => {})
  }
}
