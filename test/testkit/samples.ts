import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root, SOURCE_FLAGS } from '../e2e/start.ts'

const execute = promisify(execFile)

/** A code block of a page that is marked to be run: `<!-- test: NAME -->` before its fence. */
export interface Sample {
  /** The kind of code is its ending. */
  readonly name: string
  readonly code: string
}

/** The marked code blocks of a page, below the repository's root. */
export function samplesOf(file: string): readonly Sample[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/<!-- test: (\S+) -->\n```\w+\n([\s\S]*?)```/g)].map(([, name = '', code = '']) => ({
    name,
    code,
  }))
}

/** One sample of a page. */
export function sample(file: string, name: string): Sample {
  const found = samplesOf(file).find((one) => one.name === name)
  if (!found) throw new Error(`${file} has no sample ${name}`)
  return found
}

/** Runs a sample as printed, TypeScript or shell; gives what it wrote to stdout. Rejects when it fails. */
export async function runSample({ name, code }: Sample, env: NodeJS.ProcessEnv): Promise<string> {
  if (name.endsWith('.sh')) return (await execute('sh', ['-c', code], { env })).stdout
  // Inside the workspace, where its imports resolve.
  const folder = mkdtempSync(join(root, 'test/e2e/.sample-'))
  try {
    const file = join(folder, name)
    writeFileSync(file, code)
    return (await execute(process.execPath, [...SOURCE_FLAGS, file], { env })).stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}
