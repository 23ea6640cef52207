import { createHmac } from 'node:crypto'
import type { NamedSecret } from '@llm-ferry/kit'
import { digestOf } from './digest.ts'

/**
 * Secrets that what is kept for a key is sealed with, so that who reads the store reads none of it. They never leave the
 * process and are not made from the digest that the store may hold.
 */
export class Seals {
  readonly #byKey = new Map<string, string>()
  readonly #sessionSecret: string | undefined

  /**
   * @param secrets of configured keys.
   * @param sessionSecret what seals for all other keys are made from, so that they outlive rotations. Absent: they are made
   *   from what a key shows first, and what was kept is lost when it is rotated.
   */
  constructor(secrets: readonly NamedSecret[], sessionSecret?: string) {
    this.#sessionSecret = sessionSecret
    for (const { name, secret } of secrets) this.#byKey.set(name, secret)
  }

  of(id: string): string | undefined {
    const known = this.#byKey.get(id)
    if (known !== undefined || this.#sessionSecret === undefined) return known
    const seal = createHmac('sha256', this.#sessionSecret).update(`seal:${id}`).digest('base64')
    this.#byKey.set(id, seal)
    return seal
  }

  /** A key whose secret was not known has shown it. */
  shown(id: string, secret: string): void {
    if (this.#sessionSecret === undefined && !this.#byKey.has(id))
      this.#byKey.set(id, digestOf(`seal:${secret}`).toString('base64'))
  }

  /** The key was rotated or deleted. */
  forget(id: string): void {
    this.#byKey.delete(id)
  }
}
