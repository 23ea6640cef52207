/** Repeats that a key always has, so that one that calls seldom is served as well: at most, and added a minute. */
const FLOOR = 10
/** Most repeats that a busy key saves up. */
const CAP = 200
/** Keys whose budgets are remembered: at least as many, and at most twice as many. */
const KEPT_KEYS = 5_000

interface Bucket {
  repeats: number
  filledAt: number
}

/**
 * Bounds the repeats of each key to a share of its calls, so that a vendor's outage is not multiplied: a token bucket that
 * each call fills by the share, each repeat at the same target empties by one, and that holds 10 at first and gets up to
 * 10 a minute by itself. In process.
 */
export class RetryBudgets {
  readonly #share: number
  readonly #onRefused: () => void
  #byKey = new Map<string, Bucket>()
  /** Those before them, of keys that have been quiet since. */
  #former: ReadonlyMap<string, Bucket> = new Map()

  /**
   * @param percent repeats for each 100 calls.
   * @param onRefused told of each repeat that is not made.
   */
  constructor(percent: number, onRefused: () => void = () => {}) {
    this.#share = percent / 100
    this.#onRefused = onRefused
  }

  /** A call of the key begins. */
  deposit(key: string): void {
    const bucket = this.#bucket(key)
    bucket.repeats = Math.min(CAP, bucket.repeats + this.#share)
  }

  /** Takes one repeat; false when none is left. */
  take(key: string): boolean {
    const bucket = this.#bucket(key)
    if (bucket.repeats < 1) {
      this.#onRefused()
      return false
    }
    bucket.repeats -= 1
    return true
  }

  #bucket(key: string): Bucket {
    const now = performance.now()
    const bucket = this.#byKey.get(key) ?? this.#add(key, this.#former.get(key) ?? { repeats: FLOOR, filledAt: now })
    const trickle = ((now - bucket.filledAt) / 60_000) * FLOOR
    bucket.repeats = Math.max(bucket.repeats, Math.min(FLOOR, bucket.repeats + trickle))
    bucket.filledAt = now
    return bucket
  }

  #add(key: string, bucket: Bucket): Bucket {
    // Keys that have been quiet for longest leave together; a full bucket is what each would come back to.
    if (this.#byKey.size >= KEPT_KEYS) {
      this.#former = this.#byKey
      this.#byKey = new Map()
    }
    this.#byKey.set(key, bucket)
    return bucket
  }
}
