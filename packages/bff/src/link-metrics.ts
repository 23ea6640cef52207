import { Counter, Gauge, type Registry } from '@llm-ferry/kit'
import type { RelayStats } from '@llm-ferry/sdk/link'

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]
type Read = (relay: RelayStats) => readonly Sample[]

const UP = { well: 1, suspect: 0.5, down: 0 } as const

const GAUGES: Readonly<Record<string, readonly [help: string, labels: readonly string[], read: Read]>> = {
  link_relay_up: ['1 while new requests may go to the relay.', [], ({ isWell }) => [[{}, Number(isWell)]]],
  link_address_up: [
    '1 while the address is well, 0.5 while a broken connection has made it suspect, 0 while it is down.',
    ['address'],
    ({ addresses }) => addresses.map(({ address, state }) => [{ address }, UP[state]]),
  ],
  link_round_trip_seconds: [
    'Round trip to the relay, smoothed.',
    [],
    ({ roundTripMs }) => (roundTripMs === undefined ? [] : [[{}, roundTripMs / 1000]]),
  ],
  link_open_exchanges: ['Exchanges under way at the relay.', [], ({ openExchanges }) => [[{}, openExchanges]]],
  link_open_connections: ['Connections open to the relay.', [], ({ openConnections }) => [[{}, openConnections]]],
}

const COUNTERS: typeof GAUGES = {
  link_exchanges_total: [
    'Exchanges by how they ended.',
    ['outcome'],
    ({ complete, failed, left }) => [
      [{ outcome: 'complete' }, complete],
      [{ outcome: 'failed' }, failed],
      [{ outcome: 'left' }, left],
    ],
  ],
  link_reconnects_total: [
    'Connections lost under an exchange that went on.',
    ['cause'],
    ({ breaks, stalls }) => [
      [{ cause: 'break' }, breaks],
      [{ cause: 'stall' }, stalls],
    ],
  ],
  link_lost_exchanges_total: ['Exchanges whose answer could not be had any more.', [], ({ lost }) => [[{}, lost]]],
  link_resumed_bytes_total: [
    'Bytes of answers that later connections brought.',
    [],
    ({ resumedBytes }) => [[{}, resumedBytes]],
  ],
  link_failovers_total: ['Requests that left the relay for another one.', [], ({ failovers }) => [[{}, failovers]]],
  link_carriers_total: ['HTTP requests that carried exchanges.', [], ({ carriers }) => [[{}, carriers]]],
  link_connections_total: [
    'Connections by how opening them ended.',
    ['result'],
    ({ connectionsOpened, tlsResumptions, connectionFailures }) => [
      [{ result: 'opened' }, connectionsOpened - tlsResumptions],
      [{ result: 'resumed' }, tlsResumptions],
      [{ result: 'failed' }, connectionFailures],
    ],
  ],
  link_certificate_refusals_total: [
    'Requests that the relay’s door refused because of our client certificate, or for want of one.',
    [],
    ({ certificateRefusals }) => [[{}, certificateRefusals]],
  ],
  link_differences_total: [
    'Requests sent as their difference from an earlier one, by whether the relay still had that.',
    ['result'],
    ({ differences, differenceMisses }) => [
      [{ result: 'hit' }, differences - differenceMisses],
      [{ result: 'miss' }, differenceMisses],
    ],
  ],
  link_bytes_total: [
    'Bytes of bodies (raw), and of connections with all that is around them (wire).',
    ['direction', 'form'],
    ({ rawBytesUp, rawBytesDown, wireBytesUp, wireBytesDown }) => [
      [{ direction: 'out', form: 'raw' }, rawBytesUp],
      [{ direction: 'out', form: 'wire' }, wireBytesUp],
      [{ direction: 'in', form: 'raw' }, rawBytesDown],
      [{ direction: 'in', form: 'wire' }, wireBytesDown],
    ],
  ],
}

/**
 * Registers the border link's metrics; docs/metrics.md describes each. The link counts by itself, and is read when the
 * metrics are: a request pays nothing for them.
 */
export function createLinkMetrics(registry: Registry, stats: () => readonly RelayStats[]): void {
  const registers = [registry]
  const samples = (read: Read): Sample[] =>
    stats().flatMap((relay) => read(relay).map(([labels, value]): Sample => [{ relay: relay.relay, ...labels }, value]))
  for (const [name, [help, labels, read]] of Object.entries(GAUGES)) {
    new Gauge({
      name,
      help,
      labelNames: ['relay', ...labels],
      registers,
      collect() {
        this.reset()
        for (const [at, value] of samples(read)) this.set(at, value)
      },
    })
  }
  for (const [name, [help, labels, read]] of Object.entries(COUNTERS)) {
    new Counter({
      name,
      help,
      labelNames: ['relay', ...labels],
      registers,
      collect() {
        this.reset()
        for (const [at, value] of samples(read)) this.inc(at, value)
      },
    })
  }
}
