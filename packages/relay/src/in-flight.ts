import type { Socket } from 'node:net'
import type { Exchange } from './exchange.ts'

/**
 * The exchanges that run, and whether new ones are still taken.
 *
 * An array and not a Set: when a Set sheds what was deleted, its former table goes on pointing to exchanges that are over
 * and to the next table, and in V8's old generation such a chain keeps them up to the next full collection.
 */
export class InFlight {
  /** The first {@link #count} places are taken, and each exchange knows its own; the rest is empty. */
  readonly #places: (Exchange | undefined)[] = []
  #count = 0
  #draining = false
  #onEmpty: (() => void) | undefined

  get isDraining(): boolean {
    return this.#draining
  }

  get count(): number {
    return this.#count
  }

  add(exchange: Exchange): void {
    exchange.place = this.#count
    this.#places[this.#count++] = exchange
    if (this.#draining) exchange.response.shouldKeepAlive = false
  }

  /** Again is harmless. */
  remove(exchange: Exchange): void {
    const { place } = exchange
    if (place === -1) return
    exchange.place = -1
    const last = this.#places[--this.#count]
    if (last !== undefined && last !== exchange) {
      this.#places[place] = last
      last.place = place
    }
    this.#places[this.#count] = undefined
    if (this.#count === 0) this.#onEmpty?.()
  }

  /** Whether an answer is under way on this socket. */
  isBusy(socket: unknown): boolean {
    return this.#running().some(({ request }) => (request.socket as Socket) === socket)
  }

  /** From now on each answer tells its caller that the connection closes. */
  drain(): void {
    this.#draining = true
    for (const { response } of this.#running()) response.shouldKeepAlive = false
  }

  /** Resolves when nothing runs any more, or after `timeoutMs`. */
  emptied(timeoutMs: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#onEmpty = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Ends what still runs; no caller can take its answer for whole. */
  cutAll(): void {
    for (const exchange of this.#running()) {
      if (exchange.abort !== undefined) exchange.abort('drained')
      else cutOff(exchange)
    }
  }

  #running(): Exchange[] {
    return this.#places.slice(0, this.#count) as Exchange[]
  }
}

// Not with a FIN, which ends an answer whole for a caller that reads up to the close.
function cutOff({ request, response }: Exchange): void {
  if ('encrypted' in request.socket) response.destroy()
  else request.socket.resetAndDestroy()
}
