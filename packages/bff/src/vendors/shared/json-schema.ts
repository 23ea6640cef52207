import { record } from './json.ts'

/** The part of JSON Schema that a vendor understands. */
export interface Subset {
  /** Keywords that are kept as they are. */
  readonly keep: ReadonlySet<string>
  /** Keywords that no rewriting can express; their presence is refused. */
  readonly refuse: ReadonlySet<string>
  /** Whether objects must say `additionalProperties: false`. */
  readonly closed: boolean
  /** Formats of strings that are understood; others become words. `undefined`: all. */
  readonly formats?: ReadonlySet<string> | undefined
  /** Types that `enum` may list. */
  readonly enums: ReadonlySet<string>
}

/** Called with the path inside the schema and the keyword that cannot be expressed. */
export type Refuse = (path: string, keyword: string) => Error

type Schema = Readonly<Record<string, unknown>>
type Draft = Record<string, unknown>

// Keywords that hold one schema, a list of them, or a map of them.
const MAPS = new Set(['properties', '$defs'])
const LISTS = new Set(['anyOf', 'allOf', 'prefixItems'])
// Notes for people and tools, not for the model.
const SILENT = new Set([
  '$schema',
  '$id',
  '$comment',
  '$anchor',
  'id',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
])

/**
 * Rewrites a schema for a vendor: synonyms into what it knows, limits it lacks into words of the description, and what
 * neither can express is refused.
 */
export function rewriteSchema(schema: Schema, subset: Subset, refuse: Refuse): Schema {
  return rewrite(schema, subset, refuse, '')
}

function rewrite(schema: Schema, subset: Subset, refuse: Refuse, path: string): Schema {
  const source = modernize(schema)
  const out: Draft = {}
  const notes: string[] = []
  for (const [keyword, value] of Object.entries(source)) {
    if (value === undefined || SILENT.has(keyword)) continue
    if (subset.refuse.has(keyword)) throw refuse(path, keyword)
    if (keyword === '$ref') out.$ref = modernRef(value)
    else if (!subset.keep.has(keyword) || !understood(keyword, value, subset)) notes.push(note(keyword, value))
    else put(out, keyword, nested(keyword, value, subset, refuse, `${path}.${keyword}`))
  }
  if (subset.closed && isObject(out)) out.additionalProperties = false
  return describe(out, notes)
}

function nested(keyword: string, value: unknown, subset: Subset, refuse: Refuse, path: string): unknown {
  if (MAPS.has(keyword)) {
    const out: Draft = {}
    for (const [name, each] of Object.entries(record(value) ?? {})) {
      put(out, name, child(each, subset, refuse, `${path}.${name}`))
    }
    return out
  }
  if (LISTS.has(keyword) && Array.isArray(value)) {
    return value.map((each, index) => child(each, subset, refuse, `${path}[${index}]`))
  }
  if (keyword === 'items' || keyword === 'additionalProperties') return child(value, subset, refuse, path)
  return value
}

/** `true` and `false` are schemas too. */
function child(value: unknown, subset: Subset, refuse: Refuse, path: string): unknown {
  const schema = record(value)
  return schema ? rewrite(schema, subset, refuse, path) : value
}

/** Older and rarer spellings in the commoner ones. */
function modernize(schema: Schema): Schema {
  const { definitions, oneOf, const: only, ...rest } = schema
  const out: Draft = rest
  if (definitions !== undefined) out.$defs = { ...record(definitions), ...record(rest.$defs) }
  if (oneOf !== undefined) out.anyOf = oneOf
  if ('const' in schema) out.enum = [only]
  return out
}

function modernRef(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/^#\/definitions\//, '#/$defs/') : value
}

function understood(keyword: string, value: unknown, subset: Subset): boolean {
  if (keyword === 'format') return subset.formats?.has(String(value)) ?? true
  if (keyword === 'enum') return Array.isArray(value) && value.every((each) => subset.enums.has(kind(each)))
  if (keyword === 'additionalProperties') return !(subset.closed && value !== false)
  return true
}

function kind(value: unknown): string {
  return value === null ? 'null' : typeof value
}

function isObject(schema: Draft): boolean {
  const { type } = schema
  return type === 'object' || (Array.isArray(type) && type.includes('object')) || schema.properties !== undefined
}

// The model reads a limit that its vendor's grammar cannot enforce.
function note(keyword: string, value: unknown): string {
  return `${keyword}: ${JSON.stringify(value)}`
}

function describe(schema: Draft, notes: readonly string[]): Schema {
  if (notes.length === 0 || schema.$ref !== undefined) return schema
  const known = typeof schema.description === 'string' && schema.description !== '' ? `${schema.description}\n` : ''
  return { ...schema, description: `${known}(${notes.join(', ')})` }
}

// A property may be called `__proto__`.
function put(target: Draft, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}
