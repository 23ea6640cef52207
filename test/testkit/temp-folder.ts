import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Gives a run a temporary folder of its own, and takes it away with all that its tests left in it. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-test-'))
  // nginx's workers, which are not root, pass through it to what nginx keeps below.
  chmodSync(folder, 0o711)
  process.env.TMPDIR = folder
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
