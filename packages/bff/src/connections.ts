import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Follows which connections of a server carry a request, so that a stopping server can end the others at once. Node's
 * own `closeIdleConnections` leaves those open that have not sent a byte yet, and clients keep such in reserve.
 */
export class Connections {
  /** Socket → requests under way on it. */
  readonly #open = new Map<Socket, number>()
  #closing = false

  constructor(server: Server) {
    server.on('connection', (socket) => {
      this.#open.set(socket, 0)
      socket.once('close', () => this.#open.delete(socket))
    })
    // A WebSocket has one request that lasts as long as it does.
    server.on('upgrade', ({ socket }) => this.#count(socket, 1))
    server.on('request', ({ socket }, response) => {
      this.#count(socket, 1)
      response.once('close', () => this.#count(socket, -1))
    })
  }

  /** Ends each connection that carries no request, and from now on each one when its requests are answered. */
  closeIdle(): void {
    this.#closing = true
    for (const [socket, requests] of this.#open) if (requests === 0) socket.destroySoon()
  }

  #count(socket: Socket, change: 1 | -1): void {
    const requests = (this.#open.get(socket) ?? 0) + change
    if (this.#open.has(socket)) this.#open.set(socket, requests)
    if (this.#closing && requests === 0) socket.destroySoon()
  }
}
