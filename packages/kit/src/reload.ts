import { watchFile } from 'node:fs'
import type { Logger } from './log.ts'

/** How often files are looked at. Looking, unlike watching, also sees files that an orchestrator swaps by symlink. */
const INTERVAL_MS = 2000

/**
 * Calls `reload` when one of the files changes, and on SIGHUP. When what they say now cannot be used, the log says why
 * and everything stays as it is.
 */
export function reloadOnChange(files: readonly string[], reload: () => void, log: Logger): void {
  const attempt = (): void => {
    try {
      reload()
    } catch (error) {
      log.error({ reason: error instanceof Error ? error.message : String(error) }, 'configuration_not_reloaded')
    }
  }
  for (const file of new Set(files)) watchFile(file, { interval: INTERVAL_MS, persistent: false }, attempt)
  process.on('SIGHUP', attempt)
}
