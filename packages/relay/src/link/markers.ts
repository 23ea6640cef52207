import { closeSync, lstatSync, mkdirSync, openSync, statSync, utimesSync, writeSync } from 'node:fs'
import { readdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** What a marker says of an exchange's name. */
export type MarkerState = 'free' | 'claimed' | 'cancelled'

/** Claims on exchanges' names, shared by all relay processes of a host. */
export interface Markers {
  look(name: string): MarkerState
  /** Claims a free name; false when another was first. */
  claim(name: string): boolean
  /** Marks a free name as one that must not start; false when it is not free. */
  cancel(name: string): boolean
  /** Begins a claim's life anew. */
  refresh(name: string): void
}

/** How long a marker lives, in ms: 15 minutes from its exchange's end, up to which it was refreshed every minute. */
export const MARKER_LIFE_MS: number = 16 * 60_000

const CANCELLED = 'x'

/**
 * Markers as files: the exclusive creation decides who calls the vendor. They hold nothing of a request; their name is a
 * hash. All calls are synchronous, so that no other event of this process comes between a look and a claim.
 */
export class FileMarkers implements Markers {
  readonly #folder: string

  /**
   * @param folder on a local disk or in memory, for this user alone; made when absent.
   * @throws when it belongs to somebody else, who could then forge claims.
   */
  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { uid } = lstatSync(folder)
    if (process.getuid !== undefined && uid !== process.getuid()) {
      throw new Error(`${folder} belongs to another user`)
    }
  }

  look(name: string): MarkerState {
    // Not by reading it: an exception for each new exchange would cost more than all else here.
    const size = statSync(this.#file(name), { throwIfNoEntry: false })?.size
    if (size === undefined) return 'free'
    return size === CANCELLED.length ? 'cancelled' : 'claimed'
  }

  claim(name: string): boolean {
    return this.#create(name, '')
  }

  cancel(name: string): boolean {
    return this.#create(name, CANCELLED)
  }

  refresh(name: string): void {
    const now = Date.now() / 1000
    try {
      utimesSync(this.#file(name), now, now)
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error
    }
  }

  /** Deletes what has outlived its life. */
  async sweep(now: number = Date.now()): Promise<void> {
    for (const shard of await readdir(this.#folder)) {
      const folder = join(this.#folder, shard)
      for (const name of await readdir(folder).catch(() => [])) await removeOld(join(folder, name), now)
    }
  }

  #create(name: string, text: string): boolean {
    const file = this.#file(name)
    try {
      return create(file, text)
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error
    }
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    return create(file, text)
  }

  #file(name: string): string {
    return join(this.#folder, name.slice(0, 2), name.slice(2))
  }
}

function create(file: string, text: string): boolean {
  try {
    const descriptor = openSync(file, 'wx', 0o600)
    if (text !== '') writeSync(descriptor, text)
    closeSync(descriptor)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

async function removeOld(file: string, now: number): Promise<void> {
  try {
    const { mtimeMs } = await stat(file)
    if (now - mtimeMs > MARKER_LIFE_MS) await unlink(file)
  } catch (error) {
    // Another process was first.
    if (!isCode(error, 'ENOENT')) throw error
  }
}

const isCode = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code
