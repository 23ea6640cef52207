import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { upgradeResponse } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import type { Tunnel } from './tunnel.ts'

/** How often it is asked whether those who opened sessions still may, in ms. */
const CHECK_MS = 500

/** A connection that asks to become a WebSocket. */
export interface Upgrade {
  readonly socket: Duplex
  /** What came behind the request. */
  readonly head: Buffer
}

/** A server's WebSockets: requests for them, which go through the same middleware as all others, and those that are open. */
export class Upgrades {
  readonly #byRequest = new WeakMap<IncomingMessage, Upgrade>()
  readonly #open = new Map<Tunnel, () => void>()
  readonly #running = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined

  /** Has a server's upgrades handled like requests. */
  handle(server: Server, handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => {})
      this.#byRequest.set(request, { socket, head })
      const running = handler(request, upgradeResponse(request, socket)).finally(() => this.#running.delete(running))
      this.#running.add(running)
    })
  }

  /** The connection to upgrade; `undefined` for a request that asks for no WebSocket. */
  of(request: IncomingMessage): Upgrade | undefined {
    return this.#byRequest.get(request)
  }

  /**
   * An upgrade was agreed to.
   *
   * @param requireStanding throws when its caller may not go on.
   */
  add(tunnel: Tunnel, requireStanding: () => void): void {
    this.#open.set(tunnel, requireStanding)
    this.#timer ??= setInterval(() => this.#check(), CHECK_MS)
    void tunnel.ended.then(() => {
      this.#open.delete(tunnel)
      if (this.#open.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    })
  }

  #check(): void {
    for (const [tunnel, requireStanding] of this.#open) {
      try {
        requireStanding()
      } catch (error) {
        if (!FerryError.is(error)) throw error
        tunnel.revoke(error)
      }
    }
  }

  /** Resolves when the sessions that were open are settled, which is a little later than their connections' end. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  /** Ends those that are still open. */
  drain(): void {
    for (const tunnel of this.#open.keys()) tunnel.drain()
  }
}
