import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Warning } from './check.ts'

/** Where Docker, Kubernetes and systemd put secrets: in these they are readable for all, and nobody else is there. */
const HANDED_OVER = /^\/(var\/)?run\/(secrets|credentials)\//

/** Warns of a file with secrets that every user of the machine can read. */
export function secretFileWarnings(path: string): readonly Warning[] {
  if (process.platform === 'win32' || HANDED_OVER.test(resolve(path)) || !isOpenToAll(path)) return []
  return [{ text: `${path} holds secrets, and every user of this machine can read it`, todo: `chmod 600 ${path}` }]
}

function isOpenToAll(path: string): boolean {
  try {
    const real = realpathSync(path)
    if ((statSync(real).mode & constants.S_IROTH) === 0) return false
    for (let folder = dirname(real); ; folder = dirname(folder)) {
      if ((statSync(folder).mode & constants.S_IXOTH) === 0) return false
      if (folder === dirname(folder)) return true
    }
  } catch {
    // A file that cannot be looked at is a fault of its own.
    return false
  }
}

/** Why a file or folder could not be made and written at this path; undefined: it can. */
export function writeFault(path: string): string | undefined {
  let place = resolve(path)
  while (!existsSync(place)) place = dirname(place)
  try {
    accessSync(place, constants.W_OK)
    return undefined
  } catch (error) {
    return `${place} cannot be written (${(error as NodeJS.ErrnoException).code})`
  }
}
