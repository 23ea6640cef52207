import { createHmac, randomInt } from 'node:crypto'
import { hasDictionaries, isKeepable, KeptBodies, type KeptBody } from './wire/index.ts'

/** What a new request should build on, and where it should go. */
export interface Continuation {
  /** A body that the relay has; undefined: the request crosses as it is. */
  readonly base: KeptBody | undefined
  /** Leads to the relay process that has the base, and later to the one that has this body. */
  readonly affinity: string
}

/** Shorter than the relay's, so that what we name is still there. */
const LIFE_MS = 10 * 60_000
const LIMITS = {
  maxBytes: 64 * 1024 * 1024,
  maxOwnerBytes: 8 * 1024 * 1024,
  maxOwnerBodies: 32,
  lifeMs: LIFE_MS,
}

/** New conversations of one owner spread over this many affinities: enough to load all processes, few enough to meet. */
const SLOTS = 16

/** With less in common a dictionary is not worth its header. */
const LEAST_SHARED_BYTES = 1024

/**
 * The bodies that relays have said they keep. The next turn of a conversation repeats all that was said: it is recognised
 * by the longest beginning that it shares with one of them.
 */
export class Conversations {
  readonly #kept: KeptBodies
  #sweeper: NodeJS.Timeout | undefined

  constructor(kept: KeptBodies = new KeptBodies(LIMITS)) {
    this.#kept = kept
  }

  /**
   * What to build a body on; undefined when it is not worth it.
   *
   * @param owner relay, credential and scope: nobody builds on what others sent.
   * @param affinity where the caller wants the request to go.
   */
  continue(owner: string, body: Buffer, affinity: string | undefined): Continuation | undefined {
    if (!hasDictionaries() || !isKeepable(body)) return undefined
    const known = this.#kept.of(owner).filter((kept) => affinity === undefined || kept.affinity === affinity)
    const nearest = nearestTo(body, known)
    if (nearest !== undefined && (affinity !== undefined || isNextTurn(nearest, body))) {
      return { base: nearest.kept, affinity: nearest.kept.affinity }
    }
    // Another conversation: it may share the system's prompt with those that went the same way, and must not lead all to it.
    const slot = affinity ?? slotOf(owner)
    const { kept: base } =
      nearestTo(
        body,
        known.filter((kept) => kept.affinity === slot),
      ) ?? {}
    return { base, affinity: slot }
  }

  /** The relay has said that it keeps this body. */
  keep(owner: string, body: KeptBody): void {
    this.#kept.keep(owner, body)
    this.#sweeper ??= setInterval(() => this.#sweep(), LIFE_MS / 2).unref()
  }

  /** The relay does not have this body. */
  forget(owner: string, digest: string): void {
    this.#kept.forget(owner, digest)
  }

  close(): void {
    clearInterval(this.#sweeper)
    this.#kept.clear()
  }

  #sweep(): void {
    this.#kept.sweep()
    if (this.#kept.count > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }
}

/** The owner's text has the relay token in it, which is what makes this an HMAC. */
const slotOf = (owner: string): string =>
  createHmac('sha256', owner)
    .update(`slot ${randomInt(SLOTS)}`)
    .digest('base64url')
    .slice(0, 12)

interface Near {
  readonly kept: KeptBody
  /** Length of what both begin with. */
  readonly shared: number
}

function nearestTo(body: Buffer, known: readonly KeptBody[]): Near | undefined {
  let nearest: Near | undefined
  for (const kept of known) {
    const shared = sharedLength(kept.bytes, body)
    // Of equals the newest.
    if (shared >= (nearest?.shared ?? LEAST_SHARED_BYTES)) nearest = { kept, shared }
  }
  return nearest
}

/** Bytes that two bodies have in common at their beginning. */
export function sharedLength(a: Buffer, b: Buffer): number {
  const end = Math.min(a.length, b.length)
  const isSame = (from: number, to: number): boolean => a.compare(b, from, to, from, to) === 0
  let at = 0
  let step = 256
  for (; at < end && isSame(at, Math.min(end, at + step)); step *= 2) at = Math.min(end, at + step)
  for (let to = Math.min(end, at + step); at < to; ) {
    const middle = at + Math.ceil((to - at) / 2)
    if (isSame(at, middle)) at = middle
    else if (middle === at + 1) break
    else to = middle
  }
  return at
}

const STRUCTURE = new Set([...',]} \r\n\t'].map((text) => text.charCodeAt(0)))

/**
 * Whether a body goes on where another ended: then they part where the list of messages goes on in one and is closed in the
 * other (or a cache_control moved), rather than within a text.
 */
function isNextTurn({ kept, shared }: Near, body: Buffer): boolean {
  const [before, now] = [kept.bytes[shared], body[shared]]
  // The same request again.
  if (before === undefined || now === undefined) return before === now
  return STRUCTURE.has(before) && STRUCTURE.has(now)
}
