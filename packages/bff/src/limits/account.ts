import type { ChatRequest } from '@llm-ferry/sdk'
import type { AttemptFailure } from '../dispatch/failure.ts'
import { estimatePrompt, expectedOutput, loadTokenCounter } from './estimate.ts'
import type { Admission } from './limits.ts'
import { type Measured, Meter } from './meter.ts'
import type { Amounts, LimitPolicy } from './policy.ts'

/** What a call is expected to use; tokens only where a limit asks for them. */
export async function expectedOf(request: ChatRequest, policy: LimitPolicy): Promise<Amounts> {
  if (policy.tokensPerMinute === undefined && policy.tokensPerDay === undefined) return ONE_REQUEST
  const tokens = estimatePrompt(request, await loadTokenCounter()) + expectedOutput(request)
  return { ...ONE_REQUEST, tokens }
}

const ONE_REQUEST: Amounts = { requests: 1, tokens: 0, costNanos: 0 }
const NOTHING_USED: Measured = { promptTokens: 0, completionTokens: 0, isEstimated: false }

/** The account of one admitted call, from its admission to the moment it is known what it used. */
export class CallAccount {
  readonly meter: Meter
  readonly #admission: Admission
  readonly #vendors: Set<string>
  #failure: AttemptFailure | undefined

  /** @param vendor that the call was admitted for. */
  constructor(admission: Admission, request: ChatRequest, vendor: string) {
    this.#admission = admission
    this.#vendors = new Set([vendor])
    this.meter = new Meter(request)
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

  /** The call failed, before or after its answer began. */
  fail(failure: AttemptFailure): void {
    this.#failure = failure
  }

  /**
   * Settles the call; resolves with what it used.
   *
   * No vendor reached: it counts nowhere. An error in the vendor's answer costs nothing. Anything else may be billed:
   * the vendor's count, or an estimate from what was received.
   */
  async close(): Promise<Measured> {
    const origin = this.meter.hasReceived ? undefined : this.#failure?.origin
    if (origin === 'unreached') {
      this.#admission.release()
      return NOTHING_USED
    }
    const measured = origin === 'vendor' ? NOTHING_USED : await this.meter.measure()
    this.#admission.settle({ tokens: measured.promptTokens + measured.completionTokens, costNanos: 0 })
    return measured
  }
}
