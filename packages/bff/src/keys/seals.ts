import type { NamedSecret } from '@llm-ferry/kit'
import { digestOf } from './digest.ts'

/**
 * Secrets that what is kept for a key is sealed with, so that who reads the store reads none of it. They never leave the
 * process and are not made from the digest that the store may hold.
 */
export class Seals {
  readonly #byKey = new Map<string, string>()

  constructor(secrets: readonly NamedSecret[]) {
    for (const { name, secret } of secrets) this.#byKey.set(name, secret)
  }

  of(id: string): string | undefined {
    return this.#byKey.get(id)
  }

  /** A key whose secret was not known has shown it. */
  shown(id: string, secret: string): void {
    if (!this.#byKey.has(id)) this.#byKey.set(id, digestOf(`seal:${secret}`).toString('base64'))
  }

  /** The key was rotated or deleted. */
  forget(id: string): void {
    this.#byKey.delete(id)
  }
}
