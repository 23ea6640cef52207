import { Counter, Gauge, type Registry } from '@llm-ferry/kit'
import type { KeptBodies } from '@llm-ferry/sdk/link/wire'
import type { LoadGate } from './load-gate.ts'

/** Counts what the link saves. docs/metrics.md describes each. */
export interface LinkMeters {
  /** A body came as `wire` bytes and is `raw` ones. */
  received(raw: number, wire: number): void
  /** A vendor's bytes went out as frames. */
  sent(raw: number, wire: number): void
  /** A body came as its difference from one that was here, or was not. */
  built(result: 'hit' | 'miss'): void
}

/** Registers the link's metrics. */
export function createLinkMeters(registry: Registry, gate: LoadGate, bodies: KeptBodies): LinkMeters {
  const registers = [registry]
  // Summed here: a counter takes longer for one event than its packing.
  const sums = { in: { raw: 0, wire: 0 }, out: { raw: 0, wire: 0 } }
  new Counter({
    name: 'relay_link_bytes_total',
    help: 'Body bytes that crossed the border link: raw, and what they took on the wire.',
    labelNames: ['direction', 'form'],
    registers,
    collect() {
      this.reset()
      for (const [direction, { raw, wire }] of Object.entries(sums)) {
        this.inc({ direction, form: 'raw' }, raw)
        this.inc({ direction, form: 'wire' }, wire)
      }
    },
  })
  new Gauge({
    name: 'relay_link_packing',
    help: '1 while answers are packed, 0 while the process is too busy for it.',
    registers,
    collect() {
      this.set(gate.isOpen ? 1 : 0)
    },
  })
  const givenUp = new Counter({
    name: 'relay_link_packing_given_up_total',
    help: 'How often packing was given up because the process was too busy.',
    registers,
    collect() {
      this.reset()
      this.inc(gate.closings)
    },
  })
  givenUp.inc(0)
  const differences = new Counter({
    name: 'relay_link_differences_total',
    help: 'Bodies that came as their difference from an earlier one, by whether that one was here.',
    labelNames: ['result'],
    registers,
  })
  new Gauge({
    name: 'relay_link_kept_body_bytes',
    help: 'Request bodies kept for later ones to build on; the limit is LINK_BODIES_MAX_BYTES.',
    registers,
    collect() {
      this.set(bodies.bytes)
    },
  })
  return {
    received(raw, wire) {
      sums.in.raw += raw
      sums.in.wire += wire
    },
    sent(raw, wire) {
      sums.out.raw += raw
      sums.out.wire += wire
    },
    built: (result) => differences.inc({ result }),
  }
}
