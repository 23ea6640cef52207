import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { runCli } from '../../packages/sdk/src/cli/run.ts'

const entry = fileURLToPath(new URL('../../packages/sdk/src/cli/main.ts', import.meta.url))

/** How a run of `ferry` ended. */
export interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line tool as a process of its own, with nothing of this machine's settings. */
export function ferry(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
  cwd = tmpdir(),
): Promise<Run> {
  const argv = ['--disable-warning=ExperimentalWarning', '--conditions=ferry-source', entry, ...args]
  const child = spawn(process.execPath, argv, { env: { PATH: process.env.PATH, ...env }, cwd })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** Runs a command line in this process, without its start: for commands that ask nothing and read no file of this folder. */
export async function ferryHere(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Run> {
  let [stdout, stderr] = ['', '']
  const out = (text: string): void => {
    stdout += text
  }
  const err = (text: string): void => {
    stderr += text
  }
  return { code: await runCli(args, { env, out, err }), stdout, stderr }
}
