/** What may be kept, and for how long. */
export interface KeptBodiesLimits {
  /** All owners together, in bytes. */
  readonly maxBytes: number
  /** One owner, in bytes. */
  readonly maxOwnerBytes: number
  /** One owner, in bodies. */
  readonly maxOwnerBodies: number
  /** How long a body that nobody builds on is kept, in ms. */
  readonly lifeMs: number
}

/** A request body that later ones may build on. */
export interface KeptBody {
  /** SHA-256 of `bytes`, hexadecimal. */
  readonly digest: string
  /** Never changed. */
  readonly bytes: Buffer
  /** Digest of the body that this one was built on. */
  readonly base: string | undefined
  /** Affinity of the exchange that brought it: leads a client to the relay process that has it. */
  readonly affinity: string
}

interface Entry extends KeptBody {
  readonly owner: string
  readonly keptAt: number
}

/** Larger bodies are not kept: with the next one they would not fit a window. */
export const MAX_KEPT_BODY_BYTES: number = 4 * 1024 * 1024

/** Smaller ones fit a packet as they are. */
export const LEAST_KEPT_BODY_BYTES = 1024

/** zstd takes a dictionary that begins so for one with tables, which a body is not. */
const DICTIONARY_MAGIC = 0xec30a437

/** Whether a body may serve as dictionary. */
export const isKeepable = (body: Buffer): boolean =>
  body.length >= LEAST_KEPT_BODY_BYTES &&
  body.length <= MAX_KEPT_BODY_BYTES &&
  body.readUInt32LE(0) !== DICTIONARY_MAGIC

/** Recent request bodies, in memory only, of owners who never see each other's. */
export class KeptBodies {
  readonly #limits: KeptBodiesLimits
  readonly #now: () => number
  /** The one that was used longest ago first. */
  readonly #entries = new Map<string, Entry>()
  readonly #owners = new Map<string, { readonly digests: Set<string>; bytes: number }>()
  #bytes = 0

  /** @param now a clock in ms. */
  constructor(limits: KeptBodiesLimits, now: () => number = () => performance.now()) {
    this.#limits = limits
    this.#now = now
  }

  /** Memory that the bodies take. */
  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#entries.size
  }

  /** A body of this owner; undefined when it is not, or no longer, kept. */
  get(owner: string, digest: string): KeptBody | undefined {
    this.sweep()
    return this.#entries.get(nameOf(owner, digest))
  }

  /** All bodies of this owner, the newest last. */
  of(owner: string): KeptBody[] {
    this.sweep()
    return [...(this.#owners.get(owner)?.digests ?? [])].flatMap((digest) => this.get(owner, digest) ?? [])
  }

  /**
   * Keeps a copy of a body, and forgets what it makes needless: the body that its base was built on (the base itself may
   * be that of a second answer), then whatever was used longest ago. False for a body that cannot be kept.
   */
  keep(owner: string, { digest, bytes, base, affinity }: KeptBody): boolean {
    const { maxBytes, maxOwnerBytes, maxOwnerBodies } = this.#limits
    if (!isKeepable(bytes) || bytes.length > Math.min(maxBytes, maxOwnerBytes)) return false
    const former = base === undefined ? undefined : this.get(owner, base)?.base
    if (former !== undefined) this.forget(owner, former)
    this.forget(owner, digest)
    const copy = Buffer.allocUnsafeSlow(bytes.length)
    bytes.copy(copy)
    this.#entries.set(nameOf(owner, digest), { digest, bytes: copy, base, affinity, owner, keptAt: this.#now() })
    const mine = this.#owners.get(owner) ?? { digests: new Set(), bytes: 0 }
    this.#owners.set(owner, mine)
    mine.digests.add(digest)
    mine.bytes += copy.length
    this.#bytes += copy.length
    while (mine.bytes > maxOwnerBytes || mine.digests.size > maxOwnerBodies) this.#forgetFirst(mine.digests, owner)
    while (this.#bytes > maxBytes) this.#drop(this.#entries.values().next().value)
    return true
  }

  /** Forgets a body; again is harmless. */
  forget(owner: string, digest: string): void {
    this.#drop(this.#entries.get(nameOf(owner, digest)))
  }

  /** Forgets what is too old. */
  sweep(): void {
    const oldest = this.#now() - this.#limits.lifeMs
    for (const entry of this.#entries.values()) {
      if (entry.keptAt > oldest) return
      this.#drop(entry)
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#owners.clear()
    this.#bytes = 0
  }

  #forgetFirst(digests: ReadonlySet<string>, owner: string): void {
    for (const digest of digests) {
      this.forget(owner, digest)
      return
    }
  }

  #drop(entry: Entry | undefined): void {
    if (entry === undefined) return
    const { owner, digest, bytes } = entry
    this.#entries.delete(nameOf(owner, digest))
    this.#bytes -= bytes.length
    const mine = this.#owners.get(owner)
    if (mine === undefined) return
    mine.digests.delete(digest)
    mine.bytes -= bytes.length
    if (mine.digests.size === 0) this.#owners.delete(owner)
  }
}

const nameOf = (owner: string, digest: string): string => `${owner}\0${digest}`
