// Writes the SDK's reference from its declarations, which `npm run build` makes: `node tools/sdk-reference.ts` (a test
// compares). typedoc does not run on TypeScript 7.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ERRORS, type ErrorSpec } from '@llm-ferry/sdk'
import * as schema from '@llm-ferry/sdk/schema'
import { z } from 'zod'

const dist = new URL('../packages/sdk/dist/', import.meta.url)
const ENTRIES = {
  '@llm-ferry/sdk': 'index.d.ts',
  '@llm-ferry/sdk/openai': 'openai.d.ts',
  '@llm-ferry/sdk/anthropic': 'anthropic.d.ts',
  '@llm-ferry/sdk/gemini': 'gemini.d.ts',
  '@llm-ferry/sdk/generative-ai': 'generative-ai.d.ts',
  '@llm-ferry/sdk/link': 'link/index.d.ts',
}

/** Something exported: its declaration as text, and what is said of it. */
interface Declared {
  readonly name: string
  readonly doc: string
  readonly code: string
}

/** The text of packages/sdk/REFERENCE.md. */
export function sdkReference(): string {
  const sections = Object.entries(ENTRIES).map(([entry, file]) => entrySection(entry, exportsOf(file)))
  const note =
    'Written from the types by `node tools/sdk-reference.ts`. Durations are in milliseconds unless a name says otherwise.'
  return [`# Reference\n\n${note}`, ...sections].join('\n\n').concat('\n')
}

function entrySection(entry: string, declared: readonly Declared[]): string {
  const parts = [...declared].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1)).map(declaredSection)
  return [`## ${entry}`, ...parts].join('\n\n')
}

// What is called comes before what is only a type.
const rank = ({ name, code }: Declared): number =>
  Reflect.get(schema, name) instanceof z.ZodType
    ? 3
    : /^(function|const)/.test(code)
      ? 0
      : /^(abstract )?class/.test(code)
        ? 1
        : 2

function declaredSection({ name, doc, code }: Declared): string {
  const { text, example } = parseDoc(doc)
  const fields = name === 'ERRORS' ? errorsTable() : schemaFields(name)
  const shown = fields ?? `\`\`\`ts\n${code}\n\`\`\``
  return [`### ${name}`, text, shown, example && `\`\`\`ts\n${example}\n\`\`\``].filter(Boolean).join('\n\n')
}

/** The fields of a type that is inferred from a schema, whose declaration says little. */
function schemaFields(name: string): string | undefined {
  const found: unknown = Reflect.get(schema, name)
  if (found instanceof z.ZodEnum) return `One of ${found.options.map((each) => `\`${each}\``).join(', ')}.`
  if (!(found instanceof z.ZodObject)) return found instanceof z.ZodType ? '' : undefined
  const { properties = {}, required = [] } = z.toJSONSchema(found, {
    io: 'output',
    reused: 'inline',
    unrepresentable: 'any',
  })
  const rows = Object.entries(properties).map(([field, value]) => {
    const { description = '', ...form } = value as z.core.JSONSchema.Schema
    return `| \`${field}\`${required.includes(field) ? '' : '?'} | ${kindOf(form)} | ${cell(description)} |`
  })
  return ['| field | type | |', '|---|---|---|', ...rows].join('\n')
}

function kindOf({ const: value, enum: allowed, type, anyOf, oneOf }: z.core.JSONSchema.Schema): string {
  if (value !== undefined) return `\`${value}\``
  if (allowed) return allowed.map((each) => `\`${each}\``).join(', ')
  return type
    ? [type].flat().join(', ')
    : [...new Set([...(anyOf ?? []), ...(oneOf ?? [])].map((each) => kindOf(each as z.core.JSONSchema.Schema)))].join(
        ', ',
      ) || 'any'
}

function errorsTable(): string {
  const rows = Object.entries<ErrorSpec>(ERRORS).map(
    ([code, { status, retryable, meaning }]) =>
      `| \`${code}\` | ${status} | ${retryable ? 'yes' : ''} | ${cell(meaning)} |`,
  )
  return ['| `code` | status | a retry may help | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

/** Everything that a file exports, where it is declared. */
function exportsOf(file: string, only?: ReadonlySet<string>): readonly Declared[] {
  const text = readFileSync(new URL(file, dist), 'utf8')
  const own = declarations(text).filter(({ name, doc }) => !doc.includes('@internal') && (!only || only.has(name)))
  const named = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)'/gm)].flatMap(
    ([, names = '', from = '']) => {
      const wanted = names.split(',').flatMap((each) => each.replace(/\btype\b/, '').trim() || [])
      return exportsOf(pathOf(file, from), new Set(wanted))
    },
  )
  const all = [...text.matchAll(/^export (?:type )?\* from '([^']+)'/gm)].flatMap(([, from = '']) =>
    exportsOf(pathOf(file, from), only),
  )
  const byName = new Map([...all, ...named, ...own].map((each) => [each.name, each]))
  return [...byName.values()]
}

const pathOf = (file: string, from: string): string =>
  new URL(from.replace(/\.ts$/, '.d.ts'), new URL(file, dist)).href.slice(dist.href.length)

/** Exported declarations of a `.d.ts` file. tsc writes them in one form: at the margin, members indented by four. */
function declarations(text: string): readonly Declared[] {
  const statement =
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?^export (?:declare )?((?:abstract )?(?:class|interface|type|const|function) (\w+)[\s\S]*?)(?=^(?:\/\*\*|export|declare|type|import|\/\/#)|(?![\s\S]))/gm
  const byName = new Map<string, Declared>()
  for (const [, doc = '', code = '', name = ''] of text.matchAll(statement)) {
    // A schema and the type that is inferred from it have one name.
    const known = byName.get(name)
    byName.set(name, { name, doc: known?.doc || doc, code: known?.code ?? publicCode(code) })
  }
  return [...byName.values()]
}

/** Without what is internal, private or protected, and without semicolons and long comments' stars. */
function publicCode(code: string): string {
  const members = code.replaceAll(
    /^ {4}(?:\/\*\* @internal(?:(?!\*\/)[\s\S])*\*\/\n {4}(?:.*?\{\n[\s\S]*?^ {4}\};?|.*)\n)/gm,
    '',
  )
  const open = members.replaceAll(
    /^ {4}(?:\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n {4})?(?:protected |private |#private).*\n/gm,
    '',
  )
  return open
    .replaceAll(/;$/gm, '')
    .replaceAll(/^( +)/gm, (indent) => ' '.repeat((indent.length >> 1) + (indent.length % 2)))
    .trim()
}

function parseDoc(doc: string): { readonly text: string; readonly example: string | undefined } {
  const lines = doc
    .replace(/^\/\*\*\s?|\s*\*\/\s*$/g, '')
    .split('\n')
    .map((line) => line.replace(/^ ?\* ?/, ''))
  const [text = '', example] = lines.join('\n').split(/^@example\n/m)
  const linked = text
    .replaceAll(/\{@link (\S+)\}/g, '`$1`')
    .replaceAll(/^@(param|throws) ?(\S+)/gm, '- `$2`:')
    .trim()
  return { text: linked, example: example?.trim() }
}

if (import.meta.main) {
  writeFileSync(fileURLToPath(new URL('../packages/sdk/REFERENCE.md', import.meta.url)), sdkReference())
}
