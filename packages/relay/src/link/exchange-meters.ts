import { Counter, Gauge, type Registry } from '@llm-ferry/kit'

/** Counts what becomes of durable exchanges. docs/metrics.md describes each. */
export interface ExchangeMeters {
  /** A vendor is called; `isAgain`: for an exchange whose vendor was called before, which must never happen. */
  called(isAgain: boolean): void
  /** A carrier came back for an answer, of which so many bytes were waiting for it. */
  resumed(bytes: number): void
  /** A carrier's connection went before its answer's end. */
  broken(): void
  /** A carrier got nothing. */
  refused(code: string): void
}

/** What is held, read when the metrics are. */
export interface Held {
  readonly count: number
  readonly heldBytes: number
}

/** Registers the metrics of exchanges. */
export function createExchangeMeters(registry: Registry, held: Held): ExchangeMeters {
  const registers = [registry]
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  }
  gauge(
    'relay_link_exchanges',
    'Exchanges held, finished ones that nobody has acknowledged among them.',
    () => held.count,
  )
  gauge('relay_link_held_bytes', 'Bytes of answers held; the limit is EXCHANGES_MAX_BYTES.', () => held.heldBytes)
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers })
  const calls = counter('relay_link_vendor_calls_total', 'Exchanges whose vendor was called.')
  const again = counter(
    'relay_link_duplicate_calls_total',
    'Of these, calls for an exchange that had one. Must stay 0.',
  )
  const resumes = counter('relay_link_resumes_total', 'Carriers that came back for an answer.')
  const waiting = counter(
    'relay_link_resumed_bytes_total',
    'Bytes of answers that waited for a carrier that came back.',
  )
  const broken = counter('relay_link_broken_carriers_total', 'Connections that went before their answer’s end.')
  const refusals = new Counter({
    name: 'relay_link_refusals_total',
    help: 'Carriers that got nothing, by code.',
    labelNames: ['code'],
    registers,
  })
  return {
    called(isAgain) {
      calls.inc()
      if (isAgain) again.inc()
    },
    resumed(bytes) {
      resumes.inc()
      waiting.inc(bytes)
    },
    broken: () => broken.inc(),
    refused: (code) => refusals.inc({ code }),
  }
}
