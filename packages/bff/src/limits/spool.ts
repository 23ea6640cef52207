import { appendFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Settlement } from './settlement.ts'

/** A file untouched for this long has no process any more that writes to it, in ms. */
const ORPHAN_AFTER_MS = 60_000
/** Settlements that are kept while the store is away; each takes about 700 bytes. */
const MAX_ENTRIES = 200_000

/**
 * Settlements that wait for the store, in this process and in a file of its folder, so that a process that ends loses
 * none. Files of processes that have gone are taken over at start.
 */
export class Spool {
  readonly #folder: string
  readonly #file: string
  readonly #waiting: Settlement[] = []
  /** Lines that no write has taken along yet. */
  #unwritten: string[] = []
  #writing: Promise<void> = Promise.resolve()

  constructor(folder: string) {
    this.#folder = folder
    this.#file = join(folder, `settlements-${hostname()}-${process.pid}-${Date.now()}.jsonl`)
  }

  get size(): number {
    return this.#waiting.length
  }

  /** Keeps a settlement. Resolves with whether there was room, and when it is in the file. */
  async add(settlement: Settlement): Promise<boolean> {
    if (this.#waiting.length >= MAX_ENTRIES) return false
    this.#waiting.push(settlement)
    this.#unwritten.push(`${JSON.stringify(settlement)}\n`)
    await this.#write(() => this.#append())
    return true
  }

  /** Takes over what processes that have gone left behind. */
  async adopt(): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    for (const name of await readdir(this.#folder)) {
      if (name.startsWith('settlements-') && name.endsWith('.jsonl')) await this.#adoptFile(join(this.#folder, name))
    }
  }

  /**
   * Hands the settlements to `settle`, oldest first, until one fails or none is left. A settlement that is handed over
   * twice, because the process ended meanwhile, does no harm: the store knows the call.
   */
  async replay(settle: (settlement: Settlement) => Promise<void>): Promise<void> {
    let done = 0
    try {
      for (const settlement of this.#waiting) {
        await settle(settlement)
        done++
      }
    } finally {
      this.#waiting.splice(0, done)
      if (done > 0) await this.#rewrite()
    }
  }

  async #adoptFile(file: string): Promise<void> {
    if (Date.now() - (await stat(file)).mtimeMs < ORPHAN_AFTER_MS) return
    const own = `${this.#file}.adopting`
    try {
      // Only one process succeeds.
      await rename(file, own)
    } catch {
      return
    }
    const adopted = (await readFile(own, 'utf8')).split('\n').flatMap(parseLine)
    this.#waiting.push(...adopted)
    await this.#rewrite()
    await rm(own, { force: true })
  }

  /** All lines that came while the write before was under way go in one. */
  async #append(): Promise<void> {
    const lines = this.#unwritten.join('')
    this.#unwritten = []
    if (lines !== '') await appendFile(this.#file, lines, { mode: 0o600 })
  }

  #rewrite(): Promise<void> {
    return this.#write(async () => {
      // What waits is written here; what does not any more is done.
      this.#unwritten = []
      if (this.#waiting.length === 0) return rm(this.#file, { force: true })
      const lines = this.#waiting.map((settlement) => `${JSON.stringify(settlement)}\n`)
      await writeFile(`${this.#file}.new`, lines.join(''), { mode: 0o600 })
      await rename(`${this.#file}.new`, this.#file)
    })
  }

  /** One write after the other. */
  #write(work: () => Promise<void>): Promise<void> {
    const next = this.#writing.then(work)
    this.#writing = next.catch(() => {})
    return next
  }
}

/** A line that a dying process wrote half is no settlement. */
function parseLine(line: string): Settlement[] {
  try {
    const settlement = JSON.parse(line) as Settlement
    return Array.isArray(settlement.keys) && Array.isArray(settlement.args) ? [settlement] : []
  } catch {
    return []
  }
}
