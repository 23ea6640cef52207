import { Gauge, LATENCY_BUCKETS, memo, type Registry, SummedCounter, SummedHistogram } from '@llm-ferry/kit'
import type { BodyBudget } from './body.ts'
import type { Exchange } from './exchange.ts'
import type { InFlight } from './in-flight.ts'
import type { Vendor } from './vendor.ts'

/** Counts what the relay does. */
export interface Telemetry {
  /** Records a finished exchange. */
  record(exchange: Exchange): void
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Registers the relay's metrics; docs/metrics.md describes each. */
export function createTelemetry(
  registry: Registry,
  vendors: ReadonlyMap<string, Vendor>,
  inFlight: InFlight,
  budget: BodyBudget,
): Telemetry {
  const registers = [registry]
  const requests = new SummedCounter({
    name: 'http_requests_total',
    help: 'Requests answered, by vendor, method and status; 499 is a caller that left before the head.',
    labelNames: ['vendor', 'method', 'status'],
    registers,
  })
  const ends = new SummedCounter({
    name: 'relay_exchanges_total',
    help: 'Exchanges by how they ended.',
    labelNames: ['vendor', 'outcome'],
    registers,
  })
  const errors = new SummedCounter({
    name: 'relay_errors_total',
    help: 'Errors that the relay made itself, by code.',
    labelNames: ['vendor', 'code'],
    registers,
  })
  const bytes = new SummedCounter({
    name: 'relay_body_bytes_total',
    help: 'Body bytes moved: in from callers, out to callers.',
    labelNames: ['vendor', 'direction'],
    registers,
  })
  const seconds = (name: string, help: string): SummedHistogram<'vendor'> =>
    new SummedHistogram({ name, help, labelNames: ['vendor'], buckets: LATENCY_BUCKETS, registers })
  const head = seconds('relay_vendor_head_seconds', "From the request's dispatch to the head of the vendor's answer.")
  const firstByte = seconds('relay_first_byte_seconds', "From the request's arrival to the answer's first body byte.")
  const total = seconds('relay_request_seconds', "From the request's arrival to the answer's end.")
  gauges(registers, vendors, inFlight, budget)

  const perVendor = memo((vendor) => ({
    head: head.labels(vendor),
    firstByte: firstByte.labels(vendor),
    total: total.labels(vendor),
    bytesIn: bytes.labels(vendor, 'in'),
    bytesOut: bytes.labels(vendor, 'out'),
    requests: memo((method) => memo((status: number) => requests.labels(vendor, method, String(status)))),
    ends: memo((outcome) => ends.labels(vendor, outcome)),
    errors: memo((code) => errors.labels(vendor, code)),
  }))

  return {
    record(exchange) {
      const meters = perVendor(exchange.vendor?.name ?? 'none')
      const method = exchange.request.method ?? ''
      const { startedAt, sentAt, headAt, firstByteAt } = exchange
      meters.requests(METHODS.has(method) ? method : 'other')(statusOf(exchange)).value++
      meters.ends(exchange.outcome ?? 'completed').value++
      if (exchange.errorCode !== undefined) meters.errors(exchange.errorCode).value++
      if (sentAt !== undefined && headAt !== undefined) meters.head.observe((headAt - sentAt) / 1000)
      // A WebSocket lasts as long as its user likes, and has meters of its own.
      if (exchange.status === 101) return
      if (firstByteAt !== undefined) meters.firstByte.observe((firstByteAt - startedAt) / 1000)
      meters.total.observe((performance.now() - startedAt) / 1000)
      meters.bytesIn.value += exchange.bytesIn
      meters.bytesOut.value += exchange.bytesOut
    },
  }
}

/** Status for metrics and logs: a caller that left before the head got none. */
export function statusOf({ status, outcome, response }: Exchange): number {
  if (status !== 0) return status
  return outcome === 'client_closed' ? 499 : response.statusCode
}

function gauges(
  registers: Registry[],
  vendors: ReadonlyMap<string, Vendor>,
  inFlight: InFlight,
  budget: BodyBudget,
): void {
  new Gauge({
    name: 'relay_open_exchanges',
    help: 'Exchanges under way, streams among them.',
    registers,
    collect() {
      this.set(inFlight.count)
    },
  })
  new Gauge({
    name: 'relay_buffered_body_bytes',
    help: 'Bytes of request bodies held; the limit is MAX_BUFFERED_BYTES.',
    registers,
    collect() {
      this.set(budget.held)
    },
  })
  new Gauge({
    name: 'relay_vendor_key_resting',
    help: '1 while a key rests because the vendor refused or limited it.',
    labelNames: ['vendor', 'key'],
    registers,
    collect() {
      this.reset()
      for (const { name, keys } of vendors.values()) {
        for (const { label, resting } of keys.health()) this.set({ vendor: name, key: label }, resting ? 1 : 0)
      }
    },
  })
}
