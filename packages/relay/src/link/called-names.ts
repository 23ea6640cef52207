/** Most names of one generation: some 10 MB. */
const MOST_NAMES = 65_536

/**
 * Names of the exchanges whose vendor this process has called. Markers keep a second call from being made; this notes
 * whether they did, so that a fault in them, or somebody who empties their folder, is seen before the bill is.
 */
export class CalledNames {
  #young = new Set<string>()
  #old = new Set<string>()

  /** Notes a call to a vendor; whether there was one for this name before. */
  add(name: string): boolean {
    const isKnown = this.#young.has(name) || this.#old.has(name)
    this.#young.add(name)
    if (this.#young.size >= MOST_NAMES) this.age()
    return isKnown
  }

  /** Forgets what was noted before the last time. */
  age(): void {
    this.#old = this.#young
    this.#young = new Set()
  }
}
