import { Counter, Gauge, type Logger, type Registry } from '@llm-ferry/kit'
import { type Store, StoreUnavailable } from '../store/store.ts'
import type { KeyRecord } from './key.ts'
import { CHANGED_KEYS, CHANNEL, indexKey, nameKey, recordKey, versionKey, WRITE_KEY } from './procedures.ts'
import type { KeyRing } from './ring.ts'
import type { Seals } from './seals.ts'
import type { Stored } from './stored.ts'

/** How often changes are asked for, in ms; a process that hears of one asks at once. */
const POLL_MS = 500
/** Records fetched at once. */
const BATCH = 200
/** How long the usage of a deleted key can be asked for, in ms: as long as usage is kept. */
const REMEMBERED_MS = 92 * 86_400_000

export interface KeySyncOptions {
  readonly store: Store
  readonly ring: KeyRing
  readonly seals: Seals
  /** Keys that are not the store's. */
  readonly configured: readonly KeyRecord[]
  readonly log: Logger
  readonly registry: Registry
}

/** Keeps this process's ring as the store has it. While the store is away the keys last known go on. */
export class KeySync {
  readonly #store: Store
  readonly #ring: KeyRing
  readonly #seals: Seals
  readonly #configured: readonly KeyRecord[]
  readonly #log: Logger
  readonly #failures: Counter
  readonly #records = new Map<string, { readonly text: string; readonly stored: Stored }>()
  #version = 0
  #confirmedAt: number | undefined
  #running: Promise<void> | undefined
  #again: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: (() => void) | undefined

  constructor({ store, ring, seals, configured, log, registry }: KeySyncOptions) {
    this.#store = store
    this.#ring = ring
    this.#seals = seals
    this.#configured = configured
    this.#log = log
    const registers = [registry]
    this.#failures = new Counter({
      name: 'ferry_keys_sync_failures_total',
      help: 'Times that changes of keys could not be asked for; the keys last known go on.',
      registers,
    })
    const age = (): number => (performance.now() - (this.#confirmedAt ?? 0)) / 1000
    new Gauge({
      name: 'ferry_keys_age_seconds',
      help: 'Time since this process last knew that its keys are those of the store.',
      registers,
      collect() {
        this.set(age())
      },
    })
    new Gauge({
      name: 'ferry_keys',
      help: 'Keys known to this process, disabled and expired ones included.',
      registers,
      collect() {
        this.set(ring.size)
      },
    })
  }

  /** Whether the store has ever told its keys: until then one that is not known may be one of them. */
  get isComplete(): boolean {
    return this.#confirmedAt !== undefined
  }

  /** Ids and names of all keys whose usage can be asked for. */
  get names(): ReadonlyMap<string, string> {
    const stored = [...this.#records.values()].map(({ stored }) => [stored.id, stored.name] as const)
    return new Map([...stored, ...this.#configured.map(({ id, name }) => [id, name] as const)])
  }

  /** What the store holds of a key, and its text, which a change must name. */
  find(id: string): { readonly text: string; readonly stored: Stored } | undefined {
    return this.#records.get(id)
  }

  /** Asks for the keys, and goes on asking. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.#refreshOrGoOn(), POLL_MS).unref()
    this.#unsubscribe = this.#store.subscribe(CHANNEL, () => void this.#refreshOrGoOn())
    await this.#refreshOrGoOn()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#unsubscribe?.()
    await this.#running?.catch(() => {})
  }

  /**
   * Brings the ring to what the store has now.
   *
   * @throws {StoreUnavailable}
   */
  async refresh(): Promise<void> {
    // One that is under way may have asked before the change that this one is about.
    this.#again ??= (this.#running?.catch(() => {}) ?? Promise.resolve()).then(() => {
      this.#again = undefined
      this.#running = this.#load().finally(() => {
        this.#running = undefined
      })
      return this.#running
    })
    return this.#again
  }

  /**
   * Writes what the store is to hold by an id, and tells the other processes.
   *
   * @param seen the text that it held; `undefined`: nothing.
   * @returns `conflict` when it holds another one by now, `taken` when the name is another key's.
   * @throws {StoreUnavailable}
   */
  async write(
    stored: Stored,
    seen: { text: string; stored: Stored } | undefined,
  ): Promise<'written' | 'conflict' | 'taken'> {
    const names = [nameKey(stored.name), nameKey(seen?.stored.name ?? stored.name)]
    const frees = stored.kind === 'deleted' ? '1' : ''
    const [word] = await this.#store.run(
      WRITE_KEY,
      [indexKey, versionKey, recordKey(stored.id), ...names],
      [stored.id, seen?.text ?? '', JSON.stringify(stored), frees],
    )
    if (word === 'written') {
      await this.refresh()
      await this.#store.publish(CHANNEL, stored.id)
    }
    return word as 'written' | 'conflict' | 'taken'
  }

  async #refreshOrGoOn(): Promise<void> {
    try {
      await this.refresh()
    } catch (error) {
      this.#failures.inc()
      if (!(error instanceof StoreUnavailable)) this.#log.error({ err: error }, 'keys_sync_failed')
    }
  }

  async #load(): Promise<void> {
    const [version, ...ids] = await this.#store.run(CHANGED_KEYS, [indexKey, versionKey], [String(this.#version)])
    const hasLost = Number(version) < this.#version
    if (hasLost) this.#log.error({ had: this.#version, has: Number(version) }, 'keys_lost_by_store')
    const texts = new Map<string, string>()
    for (let i = 0; i < ids.length; i += BATCH) await this.#fetch(ids.slice(i, i + BATCH).map(String), texts)
    if (hasLost) for (const id of this.#records.keys()) if (!texts.has(id)) this.#forget(id)
    for (const [id, text] of texts) this.#apply(id, text)
    this.#version = Number(version)
    const isFirst = this.#confirmedAt === undefined
    this.#confirmedAt = performance.now()
    if (isFirst || hasLost) await this.#register()
  }

  async #fetch(ids: readonly string[], into: Map<string, string>): Promise<void> {
    await Promise.all(
      ids.map(async (id) => {
        const bytes = await this.#store.get(recordKey(id))
        if (bytes) into.set(id, bytes.toString('utf8'))
      }),
    )
  }

  #apply(id: string, text: string): void {
    const stored = JSON.parse(text) as Stored
    const before = this.#records.get(id)?.stored
    this.#records.set(id, { text, stored })
    if (stored.kind === 'configured') return
    if (stored.kind === 'deleted') {
      this.#ring.remove(id)
      this.#seals.forget(id)
      if (Date.parse(stored.at) + REMEMBERED_MS < Date.now()) void this.#purge(stored, text)
      return
    }
    if (before?.kind === 'key' && before.secrets[0]?.digest !== stored.secrets[0]?.digest) this.#seals.forget(id)
    this.#ring.put(stored)
  }

  #forget(id: string): void {
    const stored = this.#records.get(id)?.stored
    this.#records.delete(id)
    if (stored?.kind === 'key') this.#ring.remove(id)
  }

  async #purge({ id, name }: Stored, text: string): Promise<void> {
    const unused = nameKey(`${name}:${id}`)
    const keys = [indexKey, versionKey, recordKey(id), unused, unused]
    await this.#store.run(WRITE_KEY, keys, [id, text, '', '1']).catch(() => {})
    this.#records.delete(id)
  }

  /** Takes the names of the configured keys, and has their usage found when they are configured no more. */
  async #register(): Promise<void> {
    for (const { id, name } of this.#configured) {
      if (this.#records.has(id)) continue
      const stored: Stored = { kind: 'configured', id, name }
      const keys = [indexKey, versionKey, recordKey(id), nameKey(name), nameKey(name)]
      const [word] = await this.#store.run(WRITE_KEY, keys, [id, '', JSON.stringify(stored), ''])
      if (word === 'taken') this.#log.error({ keyName: name }, 'key_name_taken')
    }
  }
}
