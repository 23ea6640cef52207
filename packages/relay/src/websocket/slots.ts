import { FerryError } from '@llm-ferry/sdk'

/** How many WebSockets may be open. */
export interface SlotLimits {
  readonly max: number
  readonly maxPerToken: number
}

/** The WebSockets that are open, handshakes included. */
export class Slots {
  readonly #limits: SlotLimits
  readonly #perToken = new Map<string, number>()
  #open = 0

  constructor(limits: SlotLimits) {
    this.#limits = limits
  }

  /**
   * Takes a place, and returns what gives it back.
   *
   * @throws {FerryError} `overloaded` when all places are taken, `rate_limit_exceeded` when this token has all of its own.
   */
  take(token: string): () => void {
    const own = this.#perToken.get(token) ?? 0
    if (this.#open >= this.#limits.max) {
      throw new FerryError('overloaded', 'The relay has as many WebSockets open as it may. Try again soon.', {
        retryAfterMs: 1000,
      })
    }
    if (own >= this.#limits.maxPerToken) {
      throw new FerryError('rate_limit_exceeded', `This API key has ${own} WebSockets open, as many as it may.`)
    }
    this.#open += 1
    this.#perToken.set(token, own + 1)
    return () => this.#give(token)
  }

  #give(token: string): void {
    this.#open -= 1
    const left = (this.#perToken.get(token) ?? 1) - 1
    if (left === 0) this.#perToken.delete(token)
    else this.#perToken.set(token, left)
  }
}
