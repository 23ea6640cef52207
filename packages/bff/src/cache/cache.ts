import type { ChatRequest } from '@llm-ferry/sdk'
import type { Prices } from '../ledger/prices.ts'
import type { KeptAnswer } from './answer.ts'
import type { Claims } from './claims.ts'
import { parseCacheControl } from './directive.ts'
import { type Fingerprint, fingerprint, type Identity, isRepeatable } from './fingerprint.ts'
import { Flights } from './flights.ts'
import type { CacheMetrics } from './metrics.ts'
import { type CachePolicy, type CacheText, cachePolicy } from './policy.ts'
import { seal, unseal } from './sealed.ts'
import type { Put, Shelf } from './shelf.ts'
import { CacheTurn } from './turn.ts'

export interface AnswerCacheOptions {
  readonly shelf: Shelf
  /** Calls under way in other processes; `undefined`: nobody else sees the shelf. */
  readonly claims: Claims | undefined
  readonly prices: Prices
  readonly metrics: CacheMetrics
  /** What the configuration says of a key. */
  readonly ofKey: (key: string) => CacheText | undefined
  /** What it says of the alias that the caller asked for, or of the model. */
  readonly ofModel: (asked: string, id: string) => CacheText | undefined
}

/** A call that may be answered from the cache. */
export interface CallToCache {
  readonly key: string
  readonly user: string
  /** The request’s `Cache-Control`. */
  readonly control: string
  readonly request: ChatRequest
  /** Who may answer it. */
  readonly targets: readonly [ModelName, ...ModelName[]]
}

interface ModelName {
  readonly vendor: string
  readonly model: string
}

const idOf = ({ vendor, model }: ModelName): string => `${vendor}/${model}`

/** Answers that are given again to who asks the same. docs/cache.md says when. */
export class AnswerCache {
  readonly prices: Prices
  readonly metrics: CacheMetrics
  readonly flights: Flights = new Flights()
  readonly claims: Claims | undefined
  readonly #shelf: Shelf
  readonly #options: AnswerCacheOptions

  constructor(options: AnswerCacheOptions) {
    this.#options = options
    this.#shelf = options.shelf
    this.prices = options.prices
    this.metrics = options.metrics
    this.claims = options.claims
  }

  /**
   * The call’s turn at the cache; `undefined`: it is not to be cached.
   *
   * @throws {FerryError} 400 for a `Cache-Control` that cannot be read.
   */
  turn(call: CallToCache): CacheTurn | undefined {
    const { key, control, request, targets } = call
    const ofModel = this.#options.ofModel(request.model, idOf(targets[0]))
    const policy = cachePolicy(this.#options.ofKey(key), ofModel, parseCacheControl(control))
    if (policy === undefined) return undefined
    if (isRepeatable(request)) return new CacheTurn(this, fingerprint(request, identityOf(call, policy)), policy)
    this.metrics.asked('unfit')
    return undefined
  }

  async look(print: Fingerprint, maxAgeMs: number): Promise<KeptAnswer | undefined> {
    const sealed = await this.#shelf.get(print.name)
    const answer = sealed && unseal(sealed, print)
    return answer && Date.now() - answer.at <= maxAgeMs ? answer : undefined
  }

  async put(print: Fingerprint, answer: KeptAnswer, ttlMs: number): Promise<Put> {
    const sealed = await seal(answer, print)
    const outcome = sealed === undefined ? 'too_large' : await this.#shelf.put(print.name, sealed, ttlMs)
    this.metrics.put(outcome, sealed?.length)
    return outcome
  }
}

function identityOf({ key, user, request, targets }: CallToCache, { scope }: CachePolicy): Identity {
  const owners = { user: ['user', key, user], key: ['key', key], shared: ['shared', request.model] }
  return { owner: owners[scope], models: targets.map(idOf) }
}
