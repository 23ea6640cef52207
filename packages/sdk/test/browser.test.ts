import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const src = fileURLToPath(new URL('../src/', import.meta.url))

/** Everything that a file imports at run time, and what that imports in turn. */
function importsOf(file: string, seen = new Map<string, string[]>()): Map<string, string[]> {
  if (seen.has(file)) return seen
  const code = readFileSync(file, 'utf8')
  const statements = code.matchAll(
    /^(?:import|export)\s(?!type\s)[^;]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gms,
  )
  const names = [...statements].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '')
  seen.set(file, names)
  for (const name of names) if (name.startsWith('.')) importsOf(join(dirname(file), name), seen)
  return seen
}

const packagesOf = (entry: string) =>
  [...new Set([...importsOf(join(src, entry)).values()].flat().filter((name) => !name.startsWith('.')))].sort()

it('the client imports nothing of Node, and no package that pages need not load', () => {
  expect(packagesOf('index.ts')).toEqual(['eventsource-parser', 'ky'])
})

it('the schema imports zod alone', () => {
  expect(packagesOf('schema/index.ts')).toEqual(['zod'])
})

it.each([
  ['openai.ts', 'openai'],
  ['anthropic.ts', '@anthropic-ai/sdk'],
  ['gemini.ts', '@google/genai'],
  ['generative-ai.ts', '@google/generative-ai'],
])('%s imports its vendor’s client alone', (entry, name) => {
  const code = packagesOf(entry).filter((imported) => imported !== '#link')
  expect(code).toEqual([name])
})

it('the link stays out of everything that does not run in Node', () => {
  const manifest = JSON.parse(readFileSync(join(src, '..', 'package.json'), 'utf8'))
  const { node: _, ...elsewhere } = manifest.imports['#link']
  expect(new Set(Object.values(elsewhere))).toEqual(new Set(['./dist/no-link.js']))
  expect(packagesOf('no-link.ts')).toEqual([])
})

it('the client names nothing that only Node has', () => {
  for (const file of importsOf(join(src, 'index.ts')).keys()) {
    const code = readFileSync(file, 'utf8').replaceAll(/\/\*.*?\*\/|\/\/[^\n]*/gs, '')
    expect(code, file).not.toMatch(/\b(?:process\.|Buffer\b|setImmediate\b|__dirname\b|require\()/)
  }
})
