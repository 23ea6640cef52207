import type { ServerResponse } from 'node:http'

/** Watches that a caller reads what is written to it, and cuts it when it does not. */
export class SocketWatch {
  readonly #response: ServerResponse
  readonly #stallMs: number
  #timer: NodeJS.Timeout | undefined
  isBlocked = false

  constructor(response: ServerResponse, stallMs: number) {
    this.#response = response
    this.#stallMs = stallMs
    response.on('drain', () => this.#drained())
    response.once('close', () => clearTimeout(this.#timer))
  }

  /** Notes the result of a write, and returns it. */
  wrote(hasRoom: boolean): boolean {
    if (!hasRoom && !this.isBlocked) {
      this.isBlocked = true
      this.#start()
    }
    return hasRoom
  }

  /** Everything is written; it has still to be read. */
  ended(): void {
    if (!this.#response.writableFinished) this.#start()
  }

  #start(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#response.destroy(), this.#stallMs)
  }

  #drained(): void {
    this.isBlocked = false
    clearTimeout(this.#timer)
  }
}
