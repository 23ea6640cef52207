import type { KeptAnswer } from './answer.ts'

/**
 * How a call ended that others wait for: with an answer for all of them; with its caller's leaving, after which one of
 * them takes its place; or with nothing to share, after which each goes its own way.
 */
export type Landing = { readonly kind: 'shared'; readonly answer: KeptAnswer } | { readonly kind: 'left' | 'alone' }

/** A call under way, for those that ask the same. */
export interface Flight {
  readonly landed: Promise<Landing>
  followers: number
}

/** Callers that wait for one call; more go their own way. */
const MAX_FOLLOWERS = 1000

/** Calls under way in this process, by the name of their answer. */
export class Flights {
  readonly #flights = new Map<string, Flight>()

  /** The call that asks the same and takes one more follower; `full`: it takes none. */
  find(name: string): Flight | 'full' | undefined {
    const flight = this.#flights.get(name)
    return flight === undefined || flight.followers < MAX_FOLLOWERS ? flight : 'full'
  }

  /** Begins one. @returns what ends it, once. */
  begin(name: string): (landing: Landing) => void {
    const { promise: landed, resolve } = Promise.withResolvers<Landing>()
    const flight: Flight = { landed, followers: 0 }
    this.#flights.set(name, flight)
    return (landing) => {
      if (this.#flights.get(name) === flight) this.#flights.delete(name)
      resolve(landing)
    }
  }
}
