import { closeSync, linkSync, lstatSync, mkdirSync, openSync, statSync, utimesSync, writeSync } from 'node:fs'
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

/** For how long, in ms, claims may share a file, and with it their age. */
const SHARED_MS = 60_000

/**
 * How long a marker lives at least, in ms: 15 minutes from its exchange's end, up to which it was refreshed every minute, and
 * when it may have been as old as the one that it shares its file with.
 */
export const MARKER_LIFE_MS: number = 16 * 60_000 + SHARED_MS

const CANCELLED = 'x'

/**
 * Markers as files: the exclusive creation decides who calls the vendor. They hold nothing of a request; their name is a
 * hash. All calls are synchronous, so that no other event of this process comes between a look and a claim.
 *
 * The claims of a moment are names (hard links) of one empty file. To make a name is as exclusive as to make a file, and
 * needs no inode: ext4 looks for a free one past all that were deleted in the last minutes, for 120 µs where a name takes 6.
 */
export class FileMarkers implements Markers {
  readonly #folder: string
  /** A claim that others may share the file of, and since when. */
  #shared: { readonly file: string; readonly since: number } | undefined

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
    const file = this.#file(name)
    const shared = this.#shared
    const now = Date.now()
    if (shared !== undefined && now - shared.since < SHARED_MS) {
      const isLinked = link(shared.file, file)
      if (isLinked !== undefined) return isLinked
    }
    if (!this.#create(name, '')) return false
    this.#shared = { file, since: now }
    return true
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

/** Gives a file another name; false when the name is taken, undefined when it cannot be done. */
function link(file: string, name: string): boolean | undefined {
  try {
    linkSync(file, name)
    return true
  } catch (error) {
    // Else there is no folder yet, the file has as many names as it may, or the file system knows no links.
    return isCode(error, 'EEXIST') ? false : undefined
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
