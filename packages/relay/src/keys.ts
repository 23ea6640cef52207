/** One vendor key of a pool. */
export interface PoolKey {
  readonly secret: string
  /** What logs and metrics call it, such as `openai-2`. */
  readonly label: string
}

interface Entry extends PoolKey {
  restsUntil: number
  /** Whether it rests because the vendor refuses it. */
  isRejected: boolean
}

/** Rest of a key that the vendor refuses (401): someone has to mend it, so it is tried again only now and then. */
const REJECTED_REST_MS = 10 * 60_000
/** Rest of a key over its rate limit whose vendor does not say how long. */
const LIMITED_REST_MS = 10_000
/** Longest rest that a vendor's Retry-After may ask for. */
const LONGEST_REST_MS = 60 * 60_000

/**
 * The keys of one vendor, taken in turn. A key that the vendor refused or limits rests while others serve; when all
 * rest, the one that wakes first is used, because only the vendor knows whether it serves again.
 */
export class KeyPool {
  readonly #entries: Entry[]
  #next = 0

  constructor(vendor: string, secrets: readonly string[]) {
    this.#entries = secrets.map((secret, index) => ({
      secret,
      label: `${vendor}-${index + 1}`,
      restsUntil: 0,
      isRejected: false,
    }))
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  /** The next key that does not rest. */
  next(now: number = Date.now()): PoolKey | undefined {
    const count = this.#entries.length
    for (let i = 0; i < count; i++) {
      const entry = this.#entries[(this.#next + i) % count]
      if (entry === undefined || entry.restsUntil > now) continue
      this.#next = (this.#next + i + 1) % count
      return entry
    }
    return this.#firstToWake()
  }

  /**
   * The same key for the same holder, limited or not: what it stored in the vendor's account lies with that key. Only
   * from a key that the vendor refuses it moves to the next, since nothing can be reached with that one any more.
   */
  stickyTo(holder: string, now: number = Date.now()): PoolKey | undefined {
    const count = this.#entries.length
    const own = hash(holder) % Math.max(1, count)
    for (let i = 0; i < count; i++) {
      const entry = this.#entries[(own + i) % count]
      if (entry !== undefined && !(entry.isRejected && entry.restsUntil > now)) return entry
    }
    return this.#entries[own]
  }

  /** Notes that the vendor refuses this key. */
  rejected(key: PoolKey, now: number = Date.now()): void {
    this.#rest(key, now + REJECTED_REST_MS, true)
  }

  /** Notes that the vendor limits this key, for as long as it says. */
  limited(key: PoolKey, retryAfterMs: number | undefined, now: number = Date.now()): void {
    this.#rest(key, now + Math.min(retryAfterMs ?? LIMITED_REST_MS, LONGEST_REST_MS), false)
  }

  /** Each key's label and whether it rests. */
  health(now: number = Date.now()): readonly { readonly label: string; readonly resting: boolean }[] {
    return this.#entries.map(({ label, restsUntil }) => ({ label, resting: restsUntil > now }))
  }

  /** Takes over the rests of the pool that this one replaces. */
  inherit(former: KeyPool): void {
    for (const entry of this.#entries) {
      const same = former.#entries.find(({ secret }) => secret === entry.secret)
      if (same !== undefined) Object.assign(entry, { restsUntil: same.restsUntil, isRejected: same.isRejected })
    }
  }

  #rest(key: PoolKey, until: number, isRejected: boolean): void {
    const entry = this.#entries.find(({ secret }) => secret === key.secret)
    if (entry === undefined || entry.restsUntil > until) return
    entry.restsUntil = until
    entry.isRejected = isRejected
  }

  #firstToWake(): PoolKey | undefined {
    return this.#entries.reduce<Entry | undefined>(
      (first, entry) => (first === undefined || entry.restsUntil < first.restsUntil ? entry : first),
      undefined,
    )
  }
}

// FNV-1a: the same in every process and after every restart, which is all that is asked of it.
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0
  return value
}
