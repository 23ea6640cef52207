import { type Cluster, type Redis, ReplyError } from 'ioredis'
import { RECORDS_AT_ONCE } from './store.ts'

/** The consumer group of the BFF processes; others that operators add hold records until they have read them too. */
const GROUP = 'ferry'
/** Records that a consumer took and did not finish for this long go to another one, in ms. */
const ORPHAN_AFTER_MS = 60_000
const RECLAIM_EVERY_MS = 30_000

type Bounded = <T>(work: () => Promise<T>) => Promise<T>
type Entry = readonly [id: string, fields: readonly string[]]

/** Records of Redis streams, shared out among consumers. */
export class RedisRecords {
  readonly #client: Redis | Cluster
  readonly #bounded: Bounded
  readonly #reclaimedAt = new Map<string, number>()
  /** Records that were handled, by stream, until Redis has been told so: handled again they would be there twice. */
  readonly #handled = new Map<string, readonly string[]>()

  constructor(client: Redis | Cluster, bounded: Bounded) {
    this.#client = client
    this.#bounded = bounded
  }

  async consume(
    stream: string,
    consumer: string,
    handle: (records: readonly string[]) => Promise<void>,
  ): Promise<number> {
    await this.#acknowledge(stream)
    const entries = [...(await this.#reclaim(stream, consumer)), ...(await this.#next(stream, consumer))]
    if (entries.length === 0) return 0
    await handle(entries.map(([, fields]) => fields[1] ?? ''))
    this.#handled.set(
      stream,
      entries.map(([id]) => id),
    )
    await this.#acknowledge(stream)
    await this.#trim(stream)
    return entries.length
  }

  async #acknowledge(stream: string): Promise<void> {
    const ids = this.#handled.get(stream)
    if (ids === undefined) return
    await this.#bounded(() => this.#client.xack(stream, GROUP, ...ids))
    this.#handled.delete(stream)
  }

  async #next(stream: string, consumer: string): Promise<readonly Entry[]> {
    const read = (): Promise<unknown> =>
      this.#client.xreadgroup('GROUP', GROUP, consumer, 'COUNT', RECORDS_AT_ONCE, 'STREAMS', stream, '>')
    const reply = await this.#withGroup(stream, read)
    return (reply as [string, Entry[]][] | null)?.[0]?.[1] ?? []
  }

  async #reclaim(stream: string, consumer: string): Promise<readonly Entry[]> {
    if (performance.now() - (this.#reclaimedAt.get(stream) ?? Number.NEGATIVE_INFINITY) < RECLAIM_EVERY_MS) return []
    this.#reclaimedAt.set(stream, performance.now())
    const claim = (): Promise<unknown> =>
      this.#client.xautoclaim(stream, GROUP, consumer, ORPHAN_AFTER_MS, '0', 'COUNT', RECORDS_AT_ONCE)
    const [, entries] = (await this.#withGroup(stream, claim)) as [string, (Entry | null)[]]
    return entries.filter((entry) => entry !== null)
  }

  async #withGroup<T>(stream: string, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#bounded(work)
    } catch (error) {
      if (!isReply(error, 'NOGROUP')) throw error
    }
    try {
      await this.#bounded(() => this.#client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM'))
    } catch (error) {
      // Another process was faster.
      if (!isReply(error, 'BUSYGROUP')) throw error
    }
    return this.#bounded(work)
  }

  /** Removes what every group has read and acknowledged. */
  async #trim(stream: string): Promise<void> {
    const groups = (await this.#bounded(() => this.#client.xinfo('GROUPS', stream))) as unknown[][]
    const oldest = await Promise.all(groups.map((group) => this.#oldestNeeded(stream, group)))
    const first = oldest.reduce((a, b) => (isBefore(a, b) ? a : b))
    await this.#bounded(() => this.#client.xtrim(stream, 'MINID', first))
  }

  async #oldestNeeded(stream: string, group: readonly unknown[]): Promise<string> {
    const field = (name: string): unknown => group[group.indexOf(name) + 1]
    if (Number(field('pending')) === 0) return String(field('last-delivered-id'))
    const [, smallest] = await this.#bounded(() => this.#client.xpending(stream, String(field('name'))))
    return String(smallest)
  }
}

function isReply(error: unknown, code: string): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof ReplyError && (cause as Error).message.startsWith(code)
}

function isBefore(a: string, b: string): boolean {
  const [aMs = 0, aSeq = 0] = a.split('-').map(Number)
  const [bMs = 0, bSeq = 0] = b.split('-').map(Number)
  return aMs < bMs || (aMs === bMs && aSeq < bSeq)
}
