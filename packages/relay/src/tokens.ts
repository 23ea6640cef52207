import { hash, timingSafeEqual } from 'node:crypto'
import { FerryError } from '@llm-ferry/sdk'

/** A relay token as configured. */
export interface TokenConfig {
  readonly name: string
  /** The token itself; absent where only its hash is configured. */
  readonly token?: string | undefined
  /** SHA-256 of the token, 64 hexadecimal digits. */
  readonly sha256?: string | undefined
  /** Vendors it may call; absent: all. */
  readonly vendors?: readonly string[] | undefined
  /** Requests a minute that this process lets through; absent: no limit. */
  readonly requestsPerMinute?: number | undefined
  /** When it stops to be valid, in ms since 1970; absent: never. */
  readonly expiresAt?: number | undefined
  /** Whether all its requests go to one vendor key, not only those that keep state at the vendor. */
  readonly sticky?: boolean | undefined
}

/** A token that was presented and is known. */
export interface Token {
  readonly name: string
  readonly sticky: boolean
  /** Throws when the token may not call this vendor now. */
  authorize(vendor: string, now?: number): void
}

interface Entry {
  readonly digest: Buffer
  readonly token: Token
}

/**
 * The relay's tokens. Looked up by their SHA-256, so that the time a lookup takes tells nothing of use about any token,
 * and compared in constant time on top. A text that was right is found by itself the next time: the hash of V8's strings
 * has a secret seed, and no character is compared where it differs.
 */
export class Tokens {
  /** Texts that were right; one for each token at most. */
  readonly #known = new Map<string, Token>()
  #entries = new Map<string, Entry>()
  #buckets = new Map<string, Bucket>()

  constructor(configs: readonly TokenConfig[]) {
    this.replace(configs)
  }

  get count(): number {
    return this.#entries.size
  }

  /** Puts other tokens in place of these. A name that stays keeps what is left of its rate limit. */
  replace(configs: readonly TokenConfig[]): void {
    const buckets = new Map<string, Bucket>()
    const entries = configs.map((config): [string, Entry] => {
      const bucket = this.#bucket(config)
      if (bucket !== undefined) buckets.set(config.name, bucket)
      const digest = config.sha256 === undefined ? sha256(config.token ?? '') : Buffer.from(config.sha256, 'hex')
      return [digest.toString('latin1'), { digest, token: tokenOf(config, bucket) }]
    })
    this.#entries = new Map(entries)
    this.#known.clear()
    this.#buckets = buckets
  }

  /** The token that has this text, if any. */
  find(text: string): Token | undefined {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const digest = sha256(text)
    const entry = this.#entries.get(digest.toString('latin1'))
    if (entry === undefined || !timingSafeEqual(entry.digest, digest)) return undefined
    this.#known.set(text, entry.token)
    return entry.token
  }

  #bucket({ name, requestsPerMinute }: TokenConfig): Bucket | undefined {
    if (requestsPerMinute === undefined) return undefined
    const former = this.#buckets.get(name)
    return former?.perMinute === requestsPerMinute ? former : new Bucket(requestsPerMinute)
  }
}

const sha256 = (text: string): Buffer => hash('sha256', text, 'buffer')

function tokenOf(config: TokenConfig, bucket: Bucket | undefined): Token {
  const { name, expiresAt = Number.POSITIVE_INFINITY, sticky = false } = config
  const vendors = config.vendors === undefined ? undefined : new Set(config.vendors)
  return {
    name,
    sticky,
    authorize(vendor, now = Date.now()) {
      if (now >= expiresAt) throw new FerryError('authentication_failed', 'This API key has expired.')
      if (vendors !== undefined && !vendors.has(vendor)) {
        throw new FerryError('permission_denied', `This API key may not call ${vendor}.`)
      }
      const waitMs = bucket?.take(now) ?? 0
      if (waitMs === 0) return
      throw new FerryError('rate_limit_exceeded', 'This API key sends requests faster than it may.', {
        retryAfterMs: waitMs,
      })
    },
  }
}

/** A minute's requests at once at most, refilled evenly. */
class Bucket {
  readonly perMinute: number
  #left: number
  #filledAt = 0

  constructor(perMinute: number) {
    this.perMinute = perMinute
    this.#left = perMinute
  }

  /** Takes one request, or says how many ms to wait for the next. */
  take(now: number): number {
    const refill = ((now - this.#filledAt) * this.perMinute) / 60_000
    this.#left = Math.min(this.perMinute, this.#left + Math.max(0, refill))
    this.#filledAt = now
    if (this.#left < 1) return Math.ceil(((1 - this.#left) * 60_000) / this.perMinute)
    this.#left -= 1
    return 0
  }
}
