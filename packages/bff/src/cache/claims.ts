import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../store/store.ts'
import { unlessAway } from './shelf.ts'

/** How long a claim holds without a word from its process, and how often that comes, in ms. */
const HELD_MS = 6_000
const RENEW_MS = 2_000
/** How long it stays known that a call is over, in ms, for those that looked just before. */
const OVER_MS = 2_000
/** First and longest pause between two looks, in ms. */
const FIRST_LOOK_MS = 20
const LONGEST_LOOK_MS = 250

const RUNNING = 'r'
const SHARED = 's'
const ALONE = 'a'

/** What a process found that waited for another one's call. */
export type Seen = 'shared' | 'alone' | 'gone' | 'late'

/**
 * Calls under way in other processes. A claim is a word in the store that ends by itself, so that nobody waits long for a
 * process that died; at worst two processes make the same call, as they would without it.
 */
export class Claims {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Claims a call. @returns what ends the claim, or `undefined`: another process has it. */
  async take(name: string): Promise<((end: 'shared' | 'alone' | 'left') => void) | undefined> {
    const key = keyOf(name)
    const claimed = this.#store.set(key, RUNNING, { ttlMs: HELD_MS, onlyIfAbsent: true })
    if (!(await unlessAway(claimed, true))) return undefined
    const renewing = setInterval(() => this.#say(key, RUNNING, HELD_MS), RENEW_MS).unref()
    return (end) => {
      clearInterval(renewing)
      if (end === 'left') void unlessAway(this.#store.delete(key), false)
      else this.#say(key, end === 'shared' ? SHARED : ALONE, OVER_MS)
    }
  }

  /** Waits until the other process's call is over, or `signal` says that it takes too long. */
  async watch(name: string, signal: AbortSignal): Promise<Seen> {
    const key = keyOf(name)
    for (let pauseMs = FIRST_LOOK_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 1.5, LONGEST_LOOK_MS)) {
      const word = (await unlessAway(this.#store.get(key), undefined))?.toString()
      if (word === undefined) return 'gone'
      if (word === SHARED) return 'shared'
      if (word === ALONE) return 'alone'
      await sleep(pauseMs, undefined, { signal }).catch(() => {})
    }
    return 'late'
  }

  #say(key: string, word: string, ttlMs: number): void {
    void unlessAway(this.#store.set(key, word, { ttlMs }), false)
  }
}

const keyOf = (name: string): string => `ferry:cache:call:${name}`
