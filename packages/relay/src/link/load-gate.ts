import { performance } from 'node:perf_hooks'

/** How often the load is looked at, in ms. */
const EVERY_MS = 500
/** Share of its time that the event loop may be busy before something is given up, and below which it is taken up again. */
const TOO_BUSY = 0.9
const CALM = 0.75

/**
 * Closes while this process has no time for work that can be left out. It goes by the share of time in which the event
 * loop was busy, rather than by its delay: one collection of garbage delays it, only work keeps it busy.
 */
export class LoadGate {
  readonly #read: () => number
  readonly #timer: NodeJS.Timeout
  isOpen = true
  /** How often it has closed. */
  closings = 0

  /** @param read share of the time since the last call in which the event loop was busy, 0 to 1. */
  constructor(read: () => number = busyShare()) {
    this.#read = read
    this.#timer = setInterval(() => this.look(), EVERY_MS)
    this.#timer.unref()
  }

  /** Looks at the load now. */
  look(): void {
    const busy = this.#read()
    if (this.isOpen && busy >= TOO_BUSY) {
      this.isOpen = false
      this.closings++
    } else if (busy < CALM) this.isOpen = true
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

function busyShare(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
}
