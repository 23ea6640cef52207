import { StoreUnavailable } from './store.ts'

/** How often waits are looked at, in ms. */
const TICK_MS = 20
/** Of the time between two looks no more counts than this, in ms. */
const MOST_MS = TICK_MS * 2

interface Wait {
  /** In time that counts. */
  readonly endsAt: number
  readonly late: () => void
  isOver: boolean
}

/**
 * Bounds waits for a store, by time in which this process could have heard an answer: a process that is busy for a second
 * is late itself, and would take a store that has answered for one that is away. One timer serves all waits.
 */
export class Patience {
  #nowMs = 0
  #lookedAt = 0
  #timer: NodeJS.Timeout | undefined
  /** Waits of the same length end in the order in which they began. */
  readonly #queues = new Map<number, Wait[]>()

  /** The answer, or `timeout` when there is none in time. */
  within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = (): void => {
        reject(new StoreUnavailable('timeout', `Redis did not answer within ${timeoutMs} ms`, { mayHappen: true }))
      }
      const wait = this.#begin(timeoutMs, late)
      work.then(
        (value) => {
          wait.isOver = true
          resolve(value)
        },
        (error: unknown) => {
          wait.isOver = true
          reject(error)
        },
      )
    })
  }

  #begin(timeoutMs: number, late: () => void): Wait {
    if (this.#timer === undefined) {
      this.#lookedAt = performance.now()
      this.#timer = setInterval(() => this.#look(), TICK_MS)
    }
    const wait: Wait = { endsAt: this.#nowMs + timeoutMs, late, isOver: false }
    const queue = this.#queues.get(timeoutMs)
    if (queue) queue.push(wait)
    else this.#queues.set(timeoutMs, [wait])
    return wait
  }

  #look(): void {
    const now = performance.now()
    this.#nowMs += Math.min(now - this.#lookedAt, MOST_MS)
    this.#lookedAt = now
    for (const [timeoutMs, queue] of this.#queues) {
      const first = queue.findIndex(({ isOver, endsAt }) => !isOver && endsAt > this.#nowMs)
      const over = queue.splice(0, first === -1 ? queue.length : first)
      if (queue.length === 0) this.#queues.delete(timeoutMs)
      for (const { isOver, late } of over) if (!isOver) late()
    }
    if (this.#queues.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
