import type { Socket } from 'node:net'
import { Bag, resetSocket } from '@llm-ferry/kit'
import type { Exchange } from './exchange.ts'

/** The exchanges that run, and whether new ones are still taken. */
export class InFlight {
  readonly #running = new Bag<Exchange>()
  #draining = false
  #onEmpty: (() => void) | undefined

  get isDraining(): boolean {
    return this.#draining
  }

  get count(): number {
    return this.#running.size
  }

  add(exchange: Exchange): void {
    exchange.running = this.#running.add(exchange)
    if (this.#draining) exchange.response.shouldKeepAlive = false
  }

  /** Again is harmless. */
  remove(exchange: Exchange): void {
    if (exchange.running === undefined) return
    this.#running.remove(exchange.running)
    exchange.running = undefined
    if (this.count === 0) this.#onEmpty?.()
  }

  /** Whether an answer is under way on this socket. */
  isBusy(socket: unknown): boolean {
    return this.#running.values().some(({ request }) => (request.socket as Socket) === socket)
  }

  /** From now on each answer tells its caller that the connection closes. */
  drain(): void {
    this.#draining = true
    for (const { response } of this.#running.values()) response.shouldKeepAlive = false
  }

  /** Resolves when nothing runs any more, or after `timeoutMs`. */
  emptied(timeoutMs: number): Promise<void> {
    if (this.count === 0) return Promise.resolve()
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
    for (const exchange of this.#running.values()) {
      if (exchange.abort !== undefined) exchange.abort('drained')
      else resetSocket(exchange.request.socket)
    }
  }
}
