import type { ChatChunk, ChatCompletion } from '@llm-ferry/sdk'
import { wireText } from '../dispatch/wire-text.ts'
import { isFit, type KeptAnswer, type KeptBody } from './answer.ts'
import type { AnswerCache } from './cache.ts'
import type { Fingerprint } from './fingerprint.ts'
import type { Flight, Landing } from './flights.ts'
import { asCompletion } from './forms.ts'
import type { CachePolicy } from './policy.ts'
import { MAX_LENGTH } from './sealed.ts'

/** Who gave an answer, and what of the request it did not get. */
export type AnsweredBy = Pick<KeptAnswer, 'vendor' | 'model' | 'dropped'>

/** An answer that was found. */
export interface Found {
  readonly answer: KeptAnswer
  /** What it would have cost, in billionths of a US dollar; `undefined`: nobody knows. */
  readonly savedNanos: number | undefined
}

/**
 * One call’s turn at the cache: it finds an answer, or gets one that others may wait for and that is kept. Whoever has a
 * turn ends it.
 */
export class CacheTurn {
  readonly #cache: AnswerCache
  readonly #print: Fingerprint
  readonly #policy: CachePolicy
  /** Lets go those who wait for this call; nothing where nobody may. */
  #land: (landing: Landing) => void = () => {}
  #endClaim: (end: 'shared' | 'alone' | 'left') => void = () => {}
  #events: string[] = []
  #length = 0

  constructor(cache: AnswerCache, print: Fingerprint, policy: CachePolicy) {
    this.#cache = cache
    this.#print = print
    this.#policy = policy
  }

  /**
   * An answer that is kept, or that another call under way gets; `undefined`: the call must be made.
   *
   * @param signal ends the wait for another call.
   */
  async find(signal: AbortSignal): Promise<Found | undefined> {
    const answer = this.#policy.refresh ? undefined : ((await this.#look()) ?? (await this.#follow(signal)))
    this.#cache.metrics.asked(answer ? 'hit' : 'miss')
    if (answer === undefined) return undefined
    const { vendor, model, usage } = answer
    return { answer, savedNanos: usage && this.#cache.prices(vendor, model, usage) }
  }

  /** The found answer goes to its caller. */
  served({ savedNanos = 0 }: Found): void {
    this.#cache.metrics.saved(savedNanos)
  }

  /** Takes note of chunks on their way to the caller. */
  watch(chunks: readonly ChatChunk[]): void {
    if (this.#length > MAX_LENGTH) return
    for (const chunk of chunks) {
      const text = wireText(chunk)
      this.#length += text.length
      this.#events.push(text)
    }
    if (this.#length <= MAX_LENGTH) return
    this.#events = []
    this.#cache.metrics.put('too_large')
    this.end('alone')
  }

  /** The chunks were all. */
  async keepStream(by: AnsweredBy): Promise<void> {
    if (this.#length <= MAX_LENGTH) await this.#keepChat(by, { kind: 'stream', events: this.#events })
  }

  async keepPlain(by: AnsweredBy, completion: ChatCompletion): Promise<void> {
    await this.#keepChat(by, { kind: 'plain', value: completion })
  }

  /** The call is over. What was kept before went to all who waited; now they learn that nothing comes. */
  end(how: 'left' | 'alone'): void {
    this.#finish({ kind: how }, how)
  }

  async #keepChat({ vendor, model, dropped }: AnsweredBy, body: KeptBody): Promise<void> {
    const completion = asCompletion(body)
    if (!isFit(completion)) return this.#cache.metrics.put('unfit')
    const answer = { vendor, model, dropped, at: Date.now(), usage: completion.usage, body }
    const outcome = await this.#cache.put(this.#print, answer, this.#policy.ttlMs)
    this.#finish({ kind: 'shared', answer }, outcome === 'stored' ? 'shared' : 'alone')
  }

  #look(): Promise<KeptAnswer | undefined> {
    return this.#cache.look(this.#print, this.#policy.maxAgeMs)
  }

  async #follow(signal: AbortSignal): Promise<KeptAnswer | undefined> {
    const { flights, metrics } = this.#cache
    while (!signal.aborted) {
      const flight = flights.find(this.#print.name)
      if (flight === 'full') return undefined
      if (flight === undefined) return this.#lead(signal)
      const landing = await followed(flight, signal)
      metrics.followed(landing.kind)
      if (landing.kind === 'shared') return landing.answer
      if (landing.kind !== 'left') return undefined
    }
    return undefined
  }

  /** The first call in this process: it may wait for one in another. */
  async #lead(signal: AbortSignal): Promise<KeptAnswer | undefined> {
    const { flights, claims, metrics } = this.#cache
    this.#land = flights.begin(this.#print.name)
    if (claims === undefined) return undefined
    while (!signal.aborted) {
      const ends = await claims.take(this.#print.name)
      if (ends !== undefined) {
        this.#endClaim = ends
        return undefined
      }
      const seen = await claims.watch(this.#print.name, signal)
      metrics.followed(seen === 'gone' ? 'left' : seen)
      if (seen === 'gone') continue
      const answer = seen === 'shared' ? await this.#look() : undefined
      if (answer) this.#finish({ kind: 'shared', answer }, 'shared')
      return answer
    }
    return undefined
  }

  #finish(landing: Landing, end: 'shared' | 'alone' | 'left'): void {
    this.#land(landing)
    this.#endClaim(end)
    this.#land = () => {}
    this.#endClaim = () => {}
  }
}

async function followed(flight: Flight, signal: AbortSignal): Promise<Landing | { readonly kind: 'late' }> {
  const { promise: late, resolve } = Promise.withResolvers<{ readonly kind: 'late' }>()
  const onAbort = (): void => resolve({ kind: 'late' })
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  flight.followers++
  try {
    return await Promise.race([flight.landed, late])
  } finally {
    flight.followers--
    signal.removeEventListener('abort', onAbort)
  }
}
