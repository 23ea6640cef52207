import { type ChatRequest, FerryError } from '@llm-ferry/sdk'
import type { CallFacts } from '../context.ts'
import type { PlainAnswer, StreamAnswer } from '../dispatch/answer.ts'
import type { AttemptFailure } from '../dispatch/failure.ts'
import type { GivenUp } from '../dispatch/given-up.ts'
import type { Prices } from '../ledger/prices.ts'
import { type CallRecord, tokenCounts } from '../ledger/record.ts'
import { estimatePrompt, expectedOutput, loadTokenCounter } from './estimate.ts'
import type { CallToAdmit } from './limiter.ts'
import type { Admission } from './limits.ts'
import { type Measured, Meter, NOTHING_MEASURED, tokensOf, usageOf } from './meter.ts'
import { type LimitPolicy, limitsCost, limitsTokens } from './policy.ts'

/** Who calls what, as a call is admitted. */
export interface Applicant {
  readonly id: string
  readonly key: string
  readonly keyName: string
  readonly labels: Readonly<Record<string, string>>
  readonly user: string
  readonly vendor: string
  readonly model: string
  readonly request: ChatRequest
}

/**
 * The call as the limits see it, with what it is expected to use; tokens and money only where a limit asks for them.
 *
 * @throws {FerryError} `permission_denied` when money is limited and nobody knows what the model costs.
 */
export async function callToAdmit(applicant: Applicant, policy: LimitPolicy, prices: Prices): Promise<CallToAdmit> {
  const { id, key, user, vendor, request } = applicant
  const { expected, costNanos } = await expectedOf(applicant, policy, prices)
  const isStream = request.stream === true
  const record = recordOf(applicant, new Date().toISOString(), 'abandoned', expected, costNanos ?? null)
  const amounts = { requests: 1, tokens: tokensOf(expected), costNanos: costNanos ?? 0 }
  return { id, key, user, vendor, policy, isStream, expected: amounts, record }
}

async function expectedOf({ vendor, model, request }: Applicant, policy: LimitPolicy, prices: Prices) {
  const isCostLimited = limitsCost(policy)
  if (!isCostLimited && !limitsTokens(policy)) {
    return { expected: { ...NOTHING_MEASURED, isEstimated: true }, costNanos: 0 }
  }
  const prompt = estimatePrompt(request, await loadTokenCounter())
  const expected = { usage: usageOf(prompt, expectedOutput(request)), isEstimated: true }
  const costNanos = prices(vendor, model, expected.usage)
  if (isCostLimited && costNanos === undefined) throw unpriced(vendor, model)
  return { expected, costNanos }
}

function unpriced(vendor: string, model: string): FerryError {
  const message = `What ${vendor}/${model} costs is not known, and this key’s money is limited: add it under prices`
  return new FerryError('permission_denied', message, { param: 'model' })
}

function recordOf(
  { id, key, keyName, labels, user, vendor, model, request }: Applicant,
  at: string,
  outcome: string,
  { usage, isEstimated }: Measured,
  costNanos: number | null,
): CallRecord {
  const stream = request.stream === true
  const base = { id, kind: 'call', at, key, user, vendor, model, stream, outcome, attempts: 1 } as const
  return {
    ...base,
    ...(keyName !== key && { keyName }),
    ...(Object.keys(labels).length > 0 && { labels }),
    ...tokenCounts(usage),
    costNanos,
    estimated: isEstimated,
  }
}

interface GivenUpAttempt {
  readonly vendor: string
  readonly model: string
  readonly failure: GivenUp
}

/** The account of one admitted call, from its admission to the moment it is known what it used. */
export class CallAccount {
  readonly meter: Meter
  readonly #admission: Admission
  readonly #applicant: Applicant
  readonly #admittedAt: string
  readonly #prices: Prices
  readonly #vendors: Set<string>
  readonly #givenUp: GivenUpAttempt[] = []
  #served: unknown
  #failure: AttemptFailure | undefined

  constructor(admission: Admission, applicant: Applicant, prices: Prices, admittedAt: string) {
    this.#admission = admission
    this.#applicant = applicant
    this.#prices = prices
    this.#admittedAt = admittedAt
    this.#vendors = new Set([applicant.vendor])
    this.meter = new Meter(applicant.request)
  }

  /**
   * Counts a fallback's vendor, before it is called for the first time.
   *
   * @throws {LimitRefusal} when a limit of that vendor refuses it.
   */
  async admitVendor(vendor: string): Promise<void> {
    if (this.#vendors.has(vendor)) return
    await this.#admission.admitVendor(vendor)
    this.#vendors.add(vendor)
  }

  /** An attempt was given up for the next target; unless its answer is served after all, it has a line of its own. */
  giveUp({ vendor, model }: { readonly vendor: string; readonly model: string }, failure: GivenUp): void {
    this.#givenUp.push({ vendor, model, failure })
  }

  /** The answer that the caller gets. */
  serve(answer: PlainAnswer | StreamAnswer): void {
    this.#served = answer
  }

  /** The call failed, before or after its answer began. */
  fail(failure: AttemptFailure): void {
    this.#failure = failure
  }

  /** Why the call failed, if it did. */
  get failure(): AttemptFailure | undefined {
    return this.#failure
  }

  /** Another process goes on with the call, and settles it. */
  handOver(): void {
    this.#admission.handOver()
  }

  /**
   * Settles the call; resolves with what it used.
   *
   * No vendor reached: it counts nowhere. An error in the vendor's answer costs nothing, and neither does an answer from
   * the cache. Anything else may be billed: the vendor's count, or an estimate from what was received.
   *
   * @param facts of the call: who answered, and when.
   */
  async close(facts: CallFacts, totalMs: number): Promise<Measured> {
    const billed = this.#givenUp.filter(({ failure }) => !this.#served || failure.remains?.answer !== this.#served)
    for (const attempt of billed) await this.#charge(attempt)
    const origin = this.meter.hasReceived ? undefined : this.#failure?.origin
    const isFree = origin === 'unreached' || origin === 'vendor' || facts.cache === 'hit'
    const measured = isFree ? NOTHING_MEASURED : await this.meter.measure()
    const record = this.#record(facts, measured, totalMs)
    if (origin === 'unreached' && billed.length === 0) this.#admission.release(record)
    else this.#admission.settle({ tokens: tokensOf(measured), costNanos: record.costNanos ?? 0, record })
    return measured
  }

  async #charge({ vendor, model, failure }: GivenUpAttempt): Promise<void> {
    const { answer, usage } = failure.remains ?? {}
    const meter = new Meter(this.#applicant.request)
    if (answer && 'completion' in answer) meter.complete(answer.completion)
    else meter.watch(answer?.first ?? [])
    meter.count(usage, false)
    const measured = await meter.measure()
    const cost = tokensOf(measured) === 0 ? 0 : (this.#prices(vendor, model, measured.usage) ?? null)
    const applicant = { ...this.#applicant, vendor, model }
    const line = recordOf(applicant, this.#admittedAt, failure.error.code, measured, cost)
    const record: CallRecord = { ...line, kind: 'attempt', ...(answer?.relay !== undefined && { relay: answer.relay }) }
    this.#admission.charge({ tokens: tokensOf(measured), costNanos: cost ?? 0, record })
  }

  #record(facts: CallFacts, measured: Measured, totalMs: number): CallRecord {
    const { vendor = this.#applicant.vendor, model = this.#applicant.model } = facts
    const cost = tokensOf(measured) === 0 ? 0 : (this.#prices(vendor, model, measured.usage) ?? null)
    const outcome = this.#failure?.error.code ?? 'completed'
    return {
      ...recordOf({ ...this.#applicant, vendor, model }, this.#admittedAt, outcome, measured, cost),
      attempts: facts.attempts ?? 1,
      ...(facts.cache !== undefined && { cache: facts.cache }),
      ...(facts.cache === 'hit' && { savedNanos: facts.savedNanos ?? null }),
      ...(facts.relay !== undefined && { relay: facts.relay }),
      ...(facts.firstByteSeconds !== undefined && { firstByteMs: Math.round(facts.firstByteSeconds * 1000) }),
      totalMs: Math.round(totalMs),
    }
  }
}
