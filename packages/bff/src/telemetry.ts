import {
  Counter,
  closeCodeLabel,
  createRegistry,
  Gauge,
  LATENCY_BUCKETS,
  memo,
  type Registry,
  SummedCounter,
  SummedHistogram,
} from '@llm-ferry/kit'
import type { CallFacts } from './context.ts'

/** The BFF's metrics. Names and labels are documented in docs/metrics.md. */
export interface Telemetry {
  readonly registry: Registry
  /** A request's answer has gone. */
  answered(facts: CallFacts, answer: { method: string; status: number; seconds: number }): void
  /** A stream to a caller has begun; call the result when it is over. */
  streamOpened(): () => void
  /** A WebSocket between a caller and the vendor is open; call the result with its close code when it is over. */
  sessionOpened(vendor: string): (code: number) => void
  /** A model of the vendor was given a rest (1), or serves again (-1). */
  breakerChanged(vendor: string, change: 1 | -1): void
  /** An attempt was given up for an alias's next target. */
  attemptGivenUp(vendor: string, code: string): void
  /** A repeat was not made because the key's budget of them is used up. */
  repeatRefused(): void
  /** An image that a caller named was fetched for it, or not. */
  imageFetched(result: 'fetched' | 'refused'): void
}

export function createTelemetry(): Telemetry {
  const registry = createRegistry()
  const registers = [registry]
  const buckets = LATENCY_BUCKETS
  const requests = new SummedCounter({
    name: 'http_requests_total',
    help: 'Requests answered, by vendor (none: not a vendor call), method and status.',
    labelNames: ['vendor', 'method', 'status'],
    registers,
  })
  const failures = new SummedCounter({
    name: 'ferry_errors_total',
    help: 'Requests that ended with an error code, those that broke in mid-stream included.',
    labelNames: ['vendor', 'code'],
    registers,
  })
  const duration = new SummedHistogram({
    name: 'ferry_request_duration_seconds',
    help: 'Time from a request’s arrival to the end of its answer.',
    labelNames: ['vendor', 'stream'],
    buckets,
    registers,
  })
  const firstByte = new SummedHistogram({
    name: 'ferry_first_byte_seconds',
    help: 'Time from a request’s arrival to the first content of its answer.',
    labelNames: ['vendor', 'stream'],
    buckets,
    registers,
  })
  const tokens = new SummedCounter({
    name: 'ferry_tokens_total',
    help: 'Tokens that vendors counted.',
    labelNames: ['vendor', 'kind'],
    registers,
  })
  const attempts = new SummedCounter({
    name: 'ferry_attempts_total',
    help: 'Attempts made at vendors; more than there are calls when some were repeated.',
    labelNames: ['vendor'],
    registers,
  })
  const streams = new Gauge({ name: 'ferry_open_streams', help: 'Streams open to callers.', registers })
  const sessions = new Gauge({
    name: 'ferry_websockets_open',
    help: 'WebSockets open between callers and vendors.',
    labelNames: ['vendor'] as const,
    registers,
  })
  const closes = new Counter({
    name: 'ferry_websocket_closes_total',
    help: 'WebSockets closed, by the code of the Close frame; 1006 when a connection broke.',
    labelNames: ['vendor', 'code'] as const,
    registers,
  })
  const breakers = new Gauge({
    name: 'ferry_breakers_open',
    help: 'Models that rest because their calls failed, by vendor.',
    labelNames: ['vendor'] as const,
    registers,
  })
  const givenUp = new Counter({
    name: 'ferry_attempts_given_up_total',
    help: 'Attempts given up for an alias’s next target because of fallbackOn, by what was wrong with them.',
    labelNames: ['vendor', 'code'] as const,
    registers,
  })
  const unrepeated = new Counter({
    name: 'ferry_retry_budget_refusals_total',
    help: 'Repeats that were not made because their key’s budget of them was used up.',
    registers,
  })
  const images = new Counter({
    name: 'ferry_image_fetches_total',
    help: 'Images at an address that were to be fetched for a vendor, by what came of it.',
    labelNames: ['result'] as const,
    registers,
  })
  const perVendor = memo((vendor) => ({
    requests: memo((method) => memo((status: number) => requests.labels(vendor, method, String(status)))),
    failures: memo((code) => failures.labels(vendor, code)),
    duration: memo((stream) => duration.labels(vendor, stream)),
    firstByte: memo((stream) => firstByte.labels(vendor, stream)),
    tokens: memo((kind) => tokens.labels(vendor, kind)),
  }))
  const attemptsAt = memo((vendor) => attempts.labels(vendor))
  return {
    registry,
    answered(facts, { method, status, seconds }) {
      const meters = perVendor(facts.vendor ?? 'none')
      const stream = String(facts.stream ?? false)
      meters.requests(method)(status).value++
      if (facts.error !== undefined) meters.failures(facts.error).value++
      if (facts.vendor === undefined) return
      meters.duration(stream).observe(seconds)
      if (facts.firstByteSeconds !== undefined) meters.firstByte(stream).observe(facts.firstByteSeconds)
      if (facts.promptTokens !== undefined) meters.tokens('prompt').value += facts.promptTokens
      if (facts.completionTokens !== undefined) meters.tokens('completion').value += facts.completionTokens
      if (facts.attempts !== undefined) attemptsAt(facts.vendor).value += facts.attempts
    },
    streamOpened() {
      streams.inc()
      return () => streams.dec()
    },
    sessionOpened(vendor) {
      sessions.inc({ vendor })
      return (code) => {
        sessions.dec({ vendor })
        closes.inc({ vendor, code: closeCodeLabel(code) })
      }
    },
    breakerChanged: (vendor, change) => breakers.inc({ vendor }, change),
    attemptGivenUp: (vendor, code) => givenUp.inc({ vendor, code }),
    imageFetched: (result) => images.inc({ result }),
    repeatRefused: () => unrepeated.inc(),
  }
}
