import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'
import type { Project } from './project.ts'

/** Minified code that a page loads for some imports, as a bundler for browsers makes it. */
export async function bundle(project: Project, code: string, external: readonly string[] = []): Promise<string> {
  project.write('entry.js', code)
  const warnings: string[] = []
  const bundler = await rolldown({
    input: join(project.folder, 'entry.js'),
    cwd: project.folder,
    platform: 'browser',
    external: [...external],
    onLog: (_, { message }) => void warnings.push(message),
  })
  const { output } = await bundler.generate({ minify: true, codeSplitting: false })
  await bundler.close()
  if (warnings.length > 0) throw new Error(warnings.join('\n'))
  return output.map((chunk) => ('code' in chunk ? chunk.code : '')).join('\n')
}

export const kilobytes = (bytes: number): number => Math.round(bytes / 100) / 10
export const gzipped = (code: string): number => kilobytes(gzipSync(code, { level: 9 }).length)

/** What npm put on the disk, in kB as `du` counts them. */
export function installedKilobytes(project: Project): number {
  return Number.parseInt(execFileSync('du', ['-sk', join(project.folder, 'node_modules')], { encoding: 'utf8' }), 10)
}

export function installedPackages(project: Project): number {
  const lock = readFileSync(join(project.folder, 'package-lock.json'), 'utf8')
  const { packages } = JSON.parse(lock) as { packages: Record<string, unknown> }
  return Object.keys(packages).filter((path) => path !== '').length
}

/** What a file costs the type checker beyond an empty one. */
export async function checkCost(
  project: Project,
  file: string,
): Promise<Record<'types' | 'instantiations' | 'ms', number>> {
  project.write('empty.ts', 'export {}\n')
  const empty = diagnostics((await project.check(['empty.ts'], { skipLibCheck: true })).stdout)
  const whole = diagnostics((await project.check([file], { skipLibCheck: true })).stdout)
  const more = (name: string, factor = 1) => Math.round((whole(name) - empty(name)) * factor)
  return { types: more('Types'), instantiations: more('Instantiations'), ms: more('Total time', 1000) }
}

const diagnostics = (text: string) => (name: string) =>
  Number(new RegExp(`^${name}:\\s+([\\d.]+)`, 'm').exec(text)?.[1])
