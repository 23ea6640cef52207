import type { Socket } from 'node:net'
import type { Exchange } from './exchange.ts'

/** The exchanges that run, and whether new ones are still taken. */
export class InFlight {
  readonly #exchanges = new Set<Exchange>()
  #draining = false
  #onEmpty: (() => void) | undefined

  get isDraining(): boolean {
    return this.#draining
  }

  get count(): number {
    return this.#exchanges.size
  }

  add(exchange: Exchange): void {
    this.#exchanges.add(exchange)
    if (this.#draining) exchange.response.shouldKeepAlive = false
  }

  remove(exchange: Exchange): void {
    this.#exchanges.delete(exchange)
    if (this.#exchanges.size === 0) this.#onEmpty?.()
  }

  /** Whether an answer is under way on this socket. */
  isBusy(socket: unknown): boolean {
    for (const { request } of this.#exchanges) if ((request.socket as Socket) === socket) return true
    return false
  }

  /** From now on each answer tells its caller that the connection closes. */
  drain(): void {
    this.#draining = true
    for (const { response } of this.#exchanges) response.shouldKeepAlive = false
  }

  /** Resolves when nothing runs any more, or after `timeoutMs`. */
  emptied(timeoutMs: number): Promise<void> {
    if (this.#exchanges.size === 0) return Promise.resolve()
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
    for (const exchange of this.#exchanges) {
      if (exchange.abort !== undefined) exchange.abort('drained')
      else cutOff(exchange)
    }
  }
}

// Not with a FIN, which ends an answer whole for a caller that reads up to the close.
function cutOff({ request, response }: Exchange): void {
  if ('encrypted' in request.socket) response.destroy()
  else request.socket.resetAndDestroy()
}
