/** Bytes a ms that an upload makes at least; what is slower than this is slow twice as long the next time. */
const SLOWEST_UPLOAD = 64

/** Watches for a connection that says nothing for longer than a living one would. */
export class SilenceWatch {
  readonly #onDead: () => void
  #timer: NodeJS.Timeout | undefined
  #allowedMs = 0
  #isPaused = false

  constructor(onDead: () => void) {
    this.#onDead = onDead
  }

  /** Begins to wait for at most this long between two signs of life. */
  allow(ms: number): void {
    this.#allowedMs = ms
    if (!this.#isPaused) this.resume()
  }

  /** A sign of life. */
  heard(): void {
    this.#timer?.refresh()
  }

  /** We do not listen for a while. */
  pause(): void {
    this.#isPaused = true
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  resume(): void {
    this.#isPaused = false
    clearTimeout(this.#timer)
    if (this.#allowedMs > 0) this.#timer = setTimeout(this.#onDead, this.#allowedMs)
  }

  stop(): void {
    this.#allowedMs = 0
    this.pause()
  }
}

/** How long an upload of this size may take, in ms, after so many attempts in vain. */
export const uploadMs = (bytes: number, vainAttempts: number): number =>
  (bytes / SLOWEST_UPLOAD) * 2 ** Math.min(vainAttempts, 5)
