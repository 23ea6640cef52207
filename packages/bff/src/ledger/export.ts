import { appendFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { Logger } from '@llm-ferry/kit'
import { ledgerKey, SHARDS } from '../limits/keys.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'

/** How often records are looked for, in ms. */
const POLL_MS = 1000

/** Brings the ledger's records out of the store: to a file, to stdout, or nowhere. */
export class LedgerExport {
  readonly #store: Store
  readonly #file: string | undefined
  readonly #log: Logger
  readonly #consumer = `${hostname()}-${process.pid}`
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> | undefined

  /** @param file path that JSON lines are appended to; `-`: stdout; `undefined`: records are dropped once summed up. */
  constructor(store: Store, file: string | undefined, log: Logger) {
    this.#store = store
    this.#file = file
    this.#log = log
    this.#timer = setInterval(() => void this.#round(), POLL_MS).unref()
  }

  /** Exports what is there, and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
    await this.#round()
  }

  #round(): Promise<void> {
    this.#running ??= this.#exportAll()
      .catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) this.#log.error({ err: error }, 'ledger_export_failed')
      })
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }

  async #exportAll(): Promise<void> {
    const shards = Array.from({ length: SHARDS }, (_, shard) => ledgerKey(shard))
    await Promise.all(shards.map((stream) => this.#drain(stream)))
  }

  async #drain(stream: string): Promise<void> {
    const write = (records: readonly string[]): Promise<void> => this.#write(`${records.join('\n')}\n`)
    while ((await this.#store.consume(stream, this.#consumer, write)) > 0);
  }

  async #write(lines: string): Promise<void> {
    if (this.#file === undefined) return
    if (this.#file !== '-') return appendFile(this.#file, lines, { mode: 0o600 })
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(lines, (error) => (error ? reject(error) : resolve()))
    })
  }
}
