/** Calls `onSilence` when something awaited takes longer than allowed. One timer serves thousands of short waits. */
export class Watchdog {
  readonly #onSilence: () => void
  #timer: ReturnType<typeof setTimeout> | undefined
  #firesAt = Number.POSITIVE_INFINITY
  #dueAt = 0
  #waiting = false

  constructor(onSilence: () => void) {
    this.#onSilence = onSilence
  }

  async within<T>(ms: number, work: Promise<T>): Promise<T> {
    this.#waiting = true
    this.#dueAt = performance.now() + ms
    // A timer that fires too early finds out and goes on; only one that fires too late must be replaced.
    if (this.#firesAt > this.#dueAt) this.#arm()
    try {
      return await work
    } finally {
      this.#waiting = false
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#firesAt = Number.POSITIVE_INFINITY
  }

  #arm(): void {
    clearTimeout(this.#timer)
    this.#firesAt = this.#dueAt
    this.#timer = setTimeout(this.#check, this.#dueAt - performance.now())
  }

  readonly #check = (): void => {
    this.#firesAt = Number.POSITIVE_INFINITY
    if (!this.#waiting) return
    // Timers may fire a little early.
    if (this.#dueAt - performance.now() > 1) this.#arm()
    else this.#onSilence()
  }
}
