import type { CallRecord } from '../../src/ledger/record.ts'
import type { CallToAdmit } from '../../src/limits/limiter.ts'
import type { LimitPolicy } from '../../src/limits/policy.ts'

/** No limit at all. */
const UNLIMITED: LimitPolicy = {
  requestsPerMinute: undefined,
  requestsPerDay: undefined,
  keyRequestsPerMinute: undefined,
  keyRequestsPerDay: undefined,
  tokensPerMinute: undefined,
  tokensPerDay: undefined,
  costNanosPerDay: undefined,
  costNanosPerMonth: undefined,
  streams: undefined,
}

/** A line of the ledger. */
export function record(more: Partial<CallRecord> = {}): CallRecord {
  return {
    id: 'call',
    kind: 'call',
    at: new Date().toISOString(),
    key: 'voicebox',
    user: 'ann',
    vendor: 'openai',
    model: 'gpt-x',
    stream: false,
    outcome: 'completed',
    attempts: 1,
    promptTokens: 0,
    cachedTokens: 0,
    cacheWriteTokens: 0,
    completionTokens: 0,
    reasoningTokens: 0,
    costNanos: 0,
    estimated: false,
    ...more,
  }
}

let calls = 0

/** A call that names what matters to a test. */
export function call(
  policy: Partial<LimitPolicy>,
  { tokens = 0, costNanos = 0, ...more }: Partial<CallToAdmit> & { tokens?: number; costNanos?: number } = {},
): CallToAdmit {
  return {
    id: `call-${++calls}`,
    key: 'voicebox',
    user: 'ann',
    vendor: 'openai',
    isStream: false,
    policy: { ...UNLIMITED, ...policy },
    expected: { requests: 1, tokens, costNanos },
    record: record({ outcome: 'abandoned', promptTokens: tokens, costNanos, estimated: true }),
    ...more,
  }
}
