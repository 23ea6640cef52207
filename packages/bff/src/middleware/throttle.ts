import { hash, randomBytes } from 'node:crypto'
import { FerryError } from '@llm-ferry/sdk'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** Places that addresses share, by chance: whoever comes from many addresses fills no memory. */
const PLACES = 16_384

export interface ThrottleOptions {
  /** How many there may be in the time. */
  readonly points: number
  readonly seconds: number
  /** Sentence for who is refused. */
  readonly message: string
}

/** Counts what one address or name does in this process, and refuses what is too much. */
export class Throttle {
  readonly #limiter: RateLimiterMemory
  readonly #message: string
  /** Nobody outside can choose addresses that share a place with another's. */
  readonly #salt = randomBytes(16).toString('hex')

  constructor({ points, seconds, message }: ThrottleOptions) {
    this.#limiter = new RateLimiterMemory({ points, duration: seconds })
    this.#message = message
  }

  /** @throws {FerryError} `rate_limit_exceeded` when there have been too many already. */
  async check(who: string): Promise<void> {
    const found = await this.#limiter.get(this.#place(who))
    if (found !== null && found.consumedPoints >= this.#limiter.points) throw this.#refusal(found)
  }

  /** Counts one. @throws {FerryError} `rate_limit_exceeded` when it is one too many. */
  async count(who: string): Promise<void> {
    try {
      await this.#limiter.consume(this.#place(who))
    } catch (thrown) {
      if (thrown instanceof RateLimiterRes) throw this.#refusal(thrown)
      throw thrown
    }
  }

  #place(who: string): string {
    return String(hash('sha256', `${this.#salt}${networkOf(who)}`, 'buffer').readUInt32BE(0) % PLACES)
  }

  #refusal({ msBeforeNext }: RateLimiterRes): FerryError {
    const seconds = Math.max(1, Math.ceil(msBeforeNext / 1000))
    const message = `${this.#message}: wait ${seconds} s`
    // An SDK that repeats it by itself would only add to them.
    return new FerryError('rate_limit_exceeded', message, { retryAfterMs: seconds * 1000, retryable: false })
  }
}

/** Who has one IPv6 address has all of its /64. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = ''] = address.split('::')
  const groups = head.split(':')
  return groups.length >= 4 ? groups.slice(0, 4).join(':') : address
}
