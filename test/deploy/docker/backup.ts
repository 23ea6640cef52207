import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Stack } from './stacks.ts'

const run = promisify(execFile)

/** The scripts of a stack's own copy of deploy/scripts, with a folder for what they save. */
export interface Keeper {
  /** Saves the stack; the backup's path. */
  backup(): Promise<string>
  restore(file: string, ...args: string[]): Promise<string>
  remove(): void
}

/** What an operator has in /etc/ferry for this stack. */
export function keeperOf(stack: Stack): Keeper {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-keeper-'))
  const backups = join(folder, 'backups')
  const conf = join(folder, 'backup.conf')
  writeFileSync(join(folder, 'backup.key'), 'passphrase-of-the-backup-0123')
  writeFileSync(
    conf,
    `FERRY_STACK=${stack.folder}\nBACKUP_DIR=${backups}\nBACKUP_KEY_FILE=${join(folder, 'backup.key')}\nBACKUP_METRICS_DIR=${folder}\n`,
  )
  const script = async (name: string, ...args: string[]): Promise<string> =>
    (await run(join(stack.folder, '../scripts', name), args, { env: { ...process.env, FERRY_BACKUP_CONF: conf } }))
      .stdout
  return {
    backup: async () => {
      await script('backup')
      return join(backups, readdirSync(backups).at(-1) ?? '')
    },
    restore: (file, ...args) => script('restore', file, ...args),
    remove: () => rmSync(folder, { recursive: true }),
  }
}
