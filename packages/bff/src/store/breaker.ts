import { Patience } from './patience.ts'
import { StoreUnavailable } from './store.ts'

/** Answers that may stay away in a row before calls stop waiting for more. */
const TIMEOUTS_BEFORE_REST = 3
const REST_MS = 1000

/**
 * Bounds the wait for each answer, and stops waiting altogether for a while when answers stay away: a Redis that hangs
 * costs a few calls the wait, not every call.
 */
export class Breaker {
  readonly #patience = new Patience()
  #timeouts = 0
  #restsUntil = 0

  /**
   * @param toFault names what `work` throws.
   * @param waiting how many wait for this answer. Default 1.
   */
  async run<T>(
    work: () => Promise<T>,
    timeoutMs: number,
    toFault: (error: unknown) => StoreUnavailable,
    waiting = 1,
  ): Promise<T> {
    if (performance.now() < this.#restsUntil) {
      throw new StoreUnavailable('timeout', 'Redis has not answered for a while', { mayHappen: false })
    }
    try {
      const value = await this.#patience.within(work(), timeoutMs)
      this.#timeouts = 0
      return value
    } catch (error) {
      const fault = toFault(error)
      this.#note(fault, waiting)
      throw fault
    }
  }

  #note({ fault }: StoreUnavailable, waiting: number): void {
    this.#timeouts = fault === 'timeout' ? this.#timeouts + waiting : 0
    // While it rests no call gets through; the first one after it decides whether it rests again.
    if (this.#timeouts >= TIMEOUTS_BEFORE_REST) this.#restsUntil = performance.now() + REST_MS
  }
}
