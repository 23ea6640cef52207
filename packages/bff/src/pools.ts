import { ConnectionPool } from '@llm-ferry/sdk/link'
import type { buildConnector } from 'undici'

/** Idle connections are given up before the other side does: the relay keeps them longer than a minute. */
const KEEP_ALIVE_MS = 50_000

/** Connections to as many origins as are asked for, opened alike. */
export class Pools {
  readonly #connect: buildConnector.connector
  readonly #pools = new Map<string, ConnectionPool>()

  constructor(connect: buildConnector.connector) {
    this.#connect = connect
  }

  /** Deadlines and idle limits are the caller's, per model and per call: undici's own are off. */
  of(origin: string): ConnectionPool {
    const known = this.#pools.get(origin)
    if (known !== undefined) return known
    const pool = new ConnectionPool(origin, {
      connect: this.#connect,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    this.#pools.set(origin, pool)
    return pool
  }

  /** Cuts everything. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
  }
}
