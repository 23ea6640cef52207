import { Counter, closeCodeLabel, Gauge, Histogram, type Registry } from '@llm-ferry/kit'
import type { TunnelMeter } from './tunnel.ts'

/** Sessions last from a wrong click to the hour after which the vendors end them. */
const SECONDS = [1, 5, 15, 60, 300, 900, 1800, 3600]

/** Begins to count an open WebSocket. */
export type OpenMeter = (vendor: string) => TunnelMeter

/** Registers the metrics of WebSockets; docs/metrics.md describes each. */
export function webSocketMeters(registry: Registry): OpenMeter {
  const registers = [registry]
  const labelNames = ['vendor'] as const
  const open = new Gauge({ name: 'relay_websockets_open', help: 'WebSockets open.', labelNames, registers })
  const bytes = new Counter({
    name: 'relay_websocket_bytes_total',
    help: 'Bytes moved through WebSockets: in from callers, out to callers.',
    labelNames: ['vendor', 'direction'],
    registers,
  })
  const closes = new Counter({
    name: 'relay_websocket_closes_total',
    help: 'WebSockets closed, by the code of the Close frame; none when the connection just ended.',
    labelNames: ['vendor', 'code'],
    registers,
  })
  const seconds = new Histogram({
    name: 'relay_websocket_seconds',
    help: 'How long WebSockets were open.',
    labelNames,
    buckets: SECONDS,
    registers,
  })
  return (vendor) => {
    const stop = seconds.startTimer({ vendor })
    const counters = { in: bytes.labels(vendor, 'in'), out: bytes.labels(vendor, 'out') }
    open.inc({ vendor })
    return {
      bytes: (direction, count) => counters[direction].inc(count),
      closed(code) {
        open.dec({ vendor })
        closes.inc({ vendor, code: closeCodeLabel(code) })
        stop()
      },
    }
  }
}
