/** A thing in a {@link Bag}, by which it is taken out again. */
export interface Kept<T> {
  readonly value: T
  /** Where it lies; -1 when it was taken out. */
  place: number
}

/**
 * Things that come and go with each request, in no order.
 *
 * An array and not a Set or Map: when one of those sheds what was deleted, its former table goes on pointing to what it
 * held and to the next table, and in V8's old generation such a chain keeps requests that are over up to the next full
 * collection.
 */
export class Bag<T> {
  readonly #kept: Kept<T>[] = []

  add(value: T): Kept<T> {
    const kept = { value, place: this.#kept.length }
    this.#kept.push(kept)
    return kept
  }

  /** Again is harmless. */
  remove(kept: Kept<T>): void {
    const { place } = kept
    if (place === -1) return
    kept.place = -1
    const last = this.#kept.pop()
    if (last === undefined || last === kept) return
    this.#kept[place] = last
    last.place = place
  }

  get size(): number {
    return this.#kept.length
  }

  /** What is in it now. */
  values(): T[] {
    return this.#kept.map(({ value }) => value)
  }
}
