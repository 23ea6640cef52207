/** Memory that all durable exchanges of this process hold, by relay token. */
export class HeldBytes {
  readonly #max: number
  readonly #tokens = new Map<string, number>()
  #total = 0

  constructor(max: number) {
    this.#max = max
  }

  get total(): number {
    return this.#total
  }

  /** Whether everything is in use. */
  get isFull(): boolean {
    return this.#total >= this.#max
  }

  change(token: string, delta: number): void {
    this.#total += delta
    const held = (this.#tokens.get(token) ?? 0) + delta
    if (held === 0) this.#tokens.delete(token)
    else this.#tokens.set(token, held)
  }

  /** Whether this token has used up its share: half, where there are other tokens, so that none can lock them out. */
  isOverShare(token: string, isOnlyToken: boolean): boolean {
    return !isOnlyToken && (this.#tokens.get(token) ?? 0) >= this.#max / 2
  }
}
