/** How long a living connection may be silent, in ms, before it counts as dead. */
export interface Patience {
  /** Never less than this beyond the heartbeat's interval: a lost packet alone takes TCP most of a second. */
  readonly leastMs: number
  readonly mostMs: number
}

/** Longest wait: eight times the slack. */
const MOST_DOUBLINGS = 3

/** Round trips to a relay as measured, smoothed as TCP does it (RFC 6298). */
export class RoundTrips {
  readonly #patience: Patience
  #smoothed: number | undefined
  #variation = 0

  constructor(patience: Patience) {
    this.#patience = patience
  }

  /** Smoothed round trip in ms; undefined before the first. */
  get ms(): number | undefined {
    return this.#smoothed
  }

  add(ms: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = ms
      this.#variation = ms / 2
      return
    }
    this.#variation += (Math.abs(this.#smoothed - ms) - this.#variation) / 4
    this.#smoothed += (ms - this.#smoothed) / 8
  }

  /** Silence that is allowed beyond what is agreed, in ms. */
  get slackMs(): number {
    const { leastMs, mostMs } = this.#patience
    if (this.#smoothed === undefined) return mostMs
    return Math.min(mostMs, Math.max(leastMs, 2 * this.#smoothed + 4 * this.#variation))
  }

  /**
   * Silence that is allowed before the first sign of life, in ms, after so many attempts in vain: it doubles each time
   * (RFC 6298, 5.5), or a line that has become slower than it ever was would never be waited for long enough.
   */
  firstSignMs(vainAttempts: number): number {
    return this.slackMs * 2 ** Math.min(vainAttempts, MOST_DOUBLINGS)
  }
}
