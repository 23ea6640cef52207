// What the SDK's client costs beside a bare fetch, and whether it forgets its streams.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { digits, table } from '../stats.ts'
import { type Comparison, compareAll, heapOverStreams, subjectAt } from './client.ts'

/** The report in markdown; about a quarter of a minute. */
export async function benchSdk(): Promise<string> {
  setFlagsFromString('--expose-gc')
  globalThis.gc = runInNewContext('gc')
  const server = fork(new URL('server.ts', import.meta.url))
  try {
    const [port] = await once(server, 'message')
    const subject = subjectAt(Number(port))
    const rows = await compareAll(subject)
    const heaps = await heapOverStreams(subject)
    return [
      '### The SDK’s client beside a bare fetch: CPU µs',
      table(['', 'bare fetch', 'client', 'added', 'goal, at most', ''], rows.map(cells)),
      `Heap after each 2,000 streams, MiB: ${heaps.map((mib) => mib.toFixed(1)).join(', ')}.`,
    ].join('\n\n')
  } finally {
    server.disconnect()
  }
}

const cells = ({ what, bare, client, added, goal }: Comparison): string[] => [
  what,
  digits(bare),
  digits(client),
  digits(added),
  goal === undefined ? '–' : digits(goal),
  goal === undefined ? '' : added <= goal ? 'met' : 'missed',
]
