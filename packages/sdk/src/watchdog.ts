/** Calls `onSilence` when something awaited takes longer than allowed. One timer serves thousands of short waits. */
export class Watchdog {
  readonly #onSilence: () => void
  #timer: ReturnType<typeof setTimeout> | undefined
  #dueAt = 0
  #waiting = false

  constructor(onSilence: () => void) {
    this.#onSilence = onSilence
  }

  async within<T>(ms: number, work: Promise<T>): Promise<T> {
    this.#waiting = true
    this.#dueAt = performance.now() + ms
    this.#timer ??= setTimeout(this.#check, ms)
    try {
      return await work
    } finally {
      this.#waiting = false
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  readonly #check = (): void => {
    this.#timer = undefined
    if (!this.#waiting) return
    const left = this.#dueAt - performance.now()
    // Timers may fire a little early.
    if (left > 1) this.#timer = setTimeout(this.#check, left)
    else this.#onSilence()
  }
}
