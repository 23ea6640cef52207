import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { pythonTools } from '../../testkit/python-tools.ts'

const run = promisify(execFile)

/** Runs a script with OpenAI's Python SDK, in an environment of its own. */
export type Python = (script: string, ...args: readonly string[]) => Promise<string>

/** Python with the SDK, or why there is none here. Installs it once. */
export async function openAiPython(): Promise<Python | string> {
  try {
    const folder = await pythonTools('openai-python', ['openai==3.54.0'])
    return async (script, ...args) => (await run(`${folder}/python`, [script, ...args], { timeout: 50_000 })).stdout
  } catch (error) {
    return `no Python with pip here: ${String(error).split('\n', 1)[0]}`
  }
}
