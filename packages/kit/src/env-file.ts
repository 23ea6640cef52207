import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { ConfigError } from './env.ts'

/** Where a value comes from. */
export type Source =
  | { readonly kind: 'default' }
  | { readonly kind: 'environment' }
  /** The file that NAME_FILE names. */
  | { readonly kind: 'file'; readonly path: string }
  /** A line of a file of settings. */
  | { readonly kind: 'line'; readonly path: string; readonly line: number }

/** A file of `NAME=value` lines, read. */
export interface EnvFile {
  readonly path: string
  readonly values: Readonly<Record<string, string>>
  /** Name → the lines on which it is set; the last one counts. */
  readonly lines: ReadonlyMap<string, readonly number[]>
}

/** What a service is told: its environment, over the files. */
export interface Settings {
  readonly env: NodeJS.ProcessEnv
  readonly files: readonly EnvFile[]
  /** Where a variable's text comes from; undefined: it is not set. */
  sourceOf(name: string): Source | undefined
}

/**
 * Reads a file such as `.env`.
 *
 * @throws {ConfigError} naming the file, the line at fault and what to do.
 */
export function readEnvFile(path: string): EnvFile {
  const text = read(path)
  const lines = text.split('\n')
  const strange = lines.findIndex((line) => /^\s*[^#\s]/.test(line) && !line.includes('='))
  if (strange >= 0)
    throw new ConfigError([`${path} line ${strange + 1} is no NAME=value: correct it, or begin it with #`])
  const places = new Map<string, number[]>()
  for (const [index, line] of lines.entries()) {
    const name = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(line)?.[1]
    if (name !== undefined) places.set(name, [...(places.get(name) ?? []), index + 1])
  }
  return { path, values: parseEnv(text) as Record<string, string>, lines: places }
}

/** The environment over the files, of which a later one is over an earlier one. An empty value counts as absent. */
export function readSettings(environment: NodeJS.ProcessEnv, paths: readonly string[]): Settings {
  const files = paths.map(readEnvFile)
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const env = { ...Object.assign({}, ...files.map(({ values }) => values)), ...given }
  const sourceOf = (name: string): Source | undefined => {
    if (given[name] !== undefined) return { kind: 'environment' }
    const file = files.findLast(({ values }) => values[name])
    return file && { kind: 'line', path: file.path, line: file.lines.get(name)?.at(-1) ?? 1 }
  }
  return { env, files, sourceOf }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code
    const todo = existsSync(path) ? 'make it a file that this user may read' : 'correct the path'
    throw new ConfigError([`${path} cannot be read (${reason}): ${todo}, or remove it`])
  }
}
