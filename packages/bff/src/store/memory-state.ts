/** What a key can hold. */
type Value = string | Buffer | Map<string, number> | string[]

interface Entry {
  value: Value
  /** Time at which the entry is gone, in ms. */
  expiresAt: number
}

/** Entries looked at for each one written: expired ones leave without a pass over all of them. */
const SWEEP_PER_WRITE = 4

/**
 * The data types of Redis that procedures use, in a Map, with the same meaning: a hash or sorted set comes into being
 * when it is written, and an expired key is as good as none.
 */
export class MemoryState {
  readonly #entries = new Map<string, Entry>()
  #sweep: IterableIterator<[string, Entry]> = this.#entries.entries()
  #nowMs = 0

  /** Sets the time that expiry is judged by. */
  at(nowMs: number): this {
    this.#nowMs = nowMs
    return this
  }

  /** Keys held, those that have expired and were not yet found included. */
  get size(): number {
    return this.#entries.size
  }

  bytes(key: string): Buffer | undefined {
    const value = this.#live(key)?.value
    if (value === undefined) return undefined
    if (typeof value === 'string') return Buffer.from(value)
    if (Buffer.isBuffer(value)) return value
    throw wrongType(key)
  }

  text(key: string): string | undefined {
    return this.bytes(key)?.toString('utf8')
  }

  set(key: string, value: string | Buffer, ttlMs: number): void {
    this.#write(key, value, this.#nowMs + ttlMs)
  }

  delete(key: string): boolean {
    const existed = this.#live(key) !== undefined
    this.#entries.delete(key)
    return existed
  }

  /** Fields of a hash, or members of a sorted set with their scores. Read only. */
  numbers(key: string): ReadonlyMap<string, number> | undefined {
    const value = this.#live(key)?.value
    if (value === undefined || value instanceof Map) return value
    throw wrongType(key)
  }

  /** The same, made when it is not there. */
  ensureNumbers(key: string): Map<string, number> {
    const value = this.#live(key)?.value
    if (value instanceof Map) return value
    if (value !== undefined) throw wrongType(key)
    const made = new Map<string, number>()
    this.#write(key, made, Number.POSITIVE_INFINITY)
    return made
  }

  /** Appends to a list. */
  append(key: string, item: string): void {
    const value = this.#live(key)?.value
    if (Array.isArray(value)) value.push(item)
    else if (value === undefined) this.#write(key, [item], Number.POSITIVE_INFINITY)
    else throw wrongType(key)
  }

  /** Takes the first items of a list out of it. */
  take(key: string, most: number): string[] {
    const value = this.#live(key)?.value
    if (value === undefined) return []
    if (Array.isArray(value)) return value.splice(0, most)
    throw wrongType(key)
  }

  /** Gives a key an end, when it has none. */
  expireAt(key: string, expiresAt: number): void {
    const entry = this.#live(key)
    if (entry?.expiresAt === Number.POSITIVE_INFINITY) entry.expiresAt = expiresAt
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.expiresAt > this.#nowMs) return entry
    this.#entries.delete(key)
    return undefined
  }

  #write(key: string, value: Value, expiresAt: number): void {
    this.#entries.set(key, { value, expiresAt })
    for (let i = 0; i < SWEEP_PER_WRITE; i++) this.#sweepOne()
  }

  #sweepOne(): void {
    const next = this.#sweep.next()
    if (next.done) {
      this.#sweep = this.#entries.entries()
      return
    }
    const [key, { expiresAt }] = next.value
    if (expiresAt <= this.#nowMs) this.#entries.delete(key)
  }
}

function wrongType(key: string): Error {
  return new Error(`The key ${key} holds another kind of value`)
}
