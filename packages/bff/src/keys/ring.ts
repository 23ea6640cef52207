import { timingSafeEqual } from 'node:crypto'
import type { PolicyOf } from '../limits/policy-schema.ts'
import { digestOf } from './digest.ts'
import { type Key, type KeyRecord, readyKey, timeOf } from './key.ts'

/** One secret of a key, as it is looked up. */
interface Slot {
  readonly digest: Buffer
  readonly key: Key
  readonly expiresAtMs: number
}

/** All keys that are known now, by secret and by id. Looking one up is a digest and a Map. */
export class KeyRing {
  readonly #policyOf: PolicyOf
  readonly #keys = new Map<string, Key>()
  readonly #slots = new Map<string, Slot>()
  /**
   * Slots by secrets that were right. They are found without a digest the next time, and say no more by the time that
   * takes: the hash of V8's strings has a secret seed, and no character is compared where it differs.
   */
  #shown = new Map<string, Slot>()

  constructor(policyOf: PolicyOf, records: readonly KeyRecord[] = []) {
    this.#policyOf = policyOf
    for (const record of records) this.put(record)
  }

  /** Adds a key, or replaces the one of its id. */
  put(record: KeyRecord): void {
    this.remove(record.id)
    const key = readyKey(record, this.#policyOf)
    this.#keys.set(record.id, key)
    for (const { digest: text, expiresAt } of record.secrets) {
      const digest = Buffer.from(text, 'hex')
      this.#slots.set(placeOf(digest), { digest, key, expiresAtMs: timeOf(expiresAt) })
    }
  }

  remove(id: string): void {
    this.#shown = new Map()
    for (const { digest } of this.#keys.get(id)?.record.secrets ?? []) {
      const place = placeOf(Buffer.from(digest, 'hex'))
      if (this.#slots.get(place)?.key.record.id === id) this.#slots.delete(place)
    }
    this.#keys.delete(id)
  }

  /** The key with this id, whatever its state. */
  get(id: string): Key | undefined {
    return this.#keys.get(id)
  }

  get all(): readonly Key[] {
    return [...this.#keys.values()]
  }

  /** How many keys there are. */
  get size(): number {
    return this.#keys.size
  }

  /** The key of a secret, whatever its state. What the time taken tells is of the guess's digest, not of any secret. */
  find(secret: string): Key | undefined {
    const slot = this.#shown.get(secret) ?? this.#slotOf(secret)
    return slot !== undefined && slot.expiresAtMs > Date.now() ? slot.key : undefined
  }

  #slotOf(secret: string): Slot | undefined {
    const digest = digestOf(secret)
    const slot = this.#slots.get(placeOf(digest))
    if (slot === undefined || !timingSafeEqual(slot.digest, digest)) return undefined
    this.#shown.set(secret, slot)
    return slot
  }
}

/** 64 bits of a digest find its place; all of it is compared there. */
const placeOf = (digest: Buffer): string => digest.toString('latin1', 0, 8)
