import { execFile } from 'node:child_process'
import { access, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../..', import.meta.url))

/** One folder a version, so that another one is installed anew. */
const SDK = 'openai==3.54.0'
const FOLDER = `${root}.ferry/${SDK.replace('==', '-python-')}`
const READY = `${FOLDER}/ready`
const INSTALL_MS = 120_000

/** Runs a script with OpenAI's Python SDK, in an environment of its own. */
export type Python = (script: string, ...args: readonly string[]) => Promise<string>

/** Python with the SDK, or why there is none here. Installs it once. */
export async function openAiPython(): Promise<Python | string> {
  try {
    await access(READY).catch(() => install())
  } catch (error) {
    return `no Python with pip here: ${String(error).split('\n', 1)[0]}`
  }
  return async (script, ...args) => (await run(`${FOLDER}/bin/python`, [script, ...args], { timeout: 50_000 })).stdout
}

async function install(): Promise<void> {
  await rm(FOLDER, { recursive: true, force: true })
  await run('python3', ['-m', 'venv', FOLDER], { timeout: INSTALL_MS })
  await run(`${FOLDER}/bin/pip`, ['install', '--quiet', '--disable-pip-version-check', SDK], { timeout: INSTALL_MS })
  await run('touch', [READY])
}
