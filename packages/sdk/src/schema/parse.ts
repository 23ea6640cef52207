import type { z } from 'zod'
import { FerryError } from '../errors.ts'
import { EmbeddingsRequest } from './embeddings.ts'
import { ChatRequest } from './request.ts'

/**
 * Checks a chat request. Null fields count as absent; unknown fields stay at the top level and go everywhere else.
 *
 * Throws a FerryError `invalid_request` whose `param` is the path of the first field at fault.
 */
export function parseChatRequest(input: unknown): ChatRequest {
  return parse(ChatRequest, input)
}

/** Checks an embeddings request, as {@link parseChatRequest} does. */
export function parseEmbeddingsRequest(input: unknown): EmbeddingsRequest {
  return parse(EmbeddingsRequest, input)
}

/**
 * Checks a body of one of the server's own interfaces: unknown fields are refused, and null means what the schema says.
 *
 * Throws a FerryError `invalid_request` whose `param` is the path of the first field at fault.
 */
export function parseBody<T>(schema: z.ZodType<T>, input: unknown): T {
  refuseDepth(input)
  const result = schema.safeParse(input, { reportInput: true })
  if (result.success) return result.data
  throw invalid(result.error.issues)
}

function parse<T>(schema: z.ZodType<T> & { shape: Readonly<Record<string, unknown>> }, input: unknown): T {
  refuseDepth(input)
  const result = schema.safeParse(withoutNulls(input, schema.shape), { reportInput: true })
  if (result.success) return result.data
  throw invalid(result.error.issues)
}

// Far beyond any real schema, and far from what ends the stack of whoever walks through the request.
const MAX_DEPTH = 128

function refuseDepth(input: unknown): void {
  if (!isRecord(input)) return
  for (const [param, value] of Object.entries(input)) {
    if (!deeper(value, MAX_DEPTH)) continue
    throw new FerryError('invalid_request', `\`${param}\`: is nested more than ${MAX_DEPTH} levels deep.`, { param })
  }
}

function deeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  for (const each of Object.values(value)) if (deeper(each, levels - 1)) return true
  return false
}

// Values that belong to the caller or to a vendor: a null in them means something.
const OPAQUE = new Set(['parameters', 'schema', 'reasoning_details', 'custom'])

function withoutNulls(input: unknown, known: Readonly<Record<string, unknown>>): unknown {
  if (!isRecord(input)) return input
  const clean: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(input)) {
    if (!Object.hasOwn(known, key)) set(clean, key, value)
    else if (value !== null) set(clean, key, prune(key, value))
  }
  return clean
}

function prune(key: string, value: unknown): unknown {
  if (OPAQUE.has(key)) return value
  if (Array.isArray(value)) return value.map((item) => prune('', item))
  if (!isRecord(value)) return value
  const clean: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value)) if (field !== null) set(clean, name, prune(name, field))
  return clean
}

// JSON may name a field `__proto__`; an assignment would set the prototype.
function set(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  else target[key] = value
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

function invalid(issues: readonly Issue[]): FerryError {
  const found = issues[0] && deepest(issues[0], [])
  if (found?.issue.code === 'unrecognized_keys') {
    const param = formatPath([...found.path, found.issue.keys[0] ?? ''])
    return new FerryError('invalid_request', `\`${param}\`: is not known here; leave it out.`, { param })
  }
  if (!found || found.path.length === 0) {
    return new FerryError('invalid_request', 'The body must be a JSON object; send one with `model` and your input.')
  }
  const param = formatPath(found.path)
  return new FerryError('invalid_request', `\`${param}\`: ${advice(found.issue)}`, { param })
}

interface Found {
  readonly issue: Issue
  readonly path: Path
}

// Of a union's branches the one that got furthest is the one the caller meant.
function deepest(issue: Issue, prefix: Path): Found {
  const path = [...prefix, ...issue.path]
  if (issue.code !== 'invalid_union') return { issue, path }
  let best: Found = { issue, path }
  for (const branch of issue.errors) {
    const first = branch[0]
    const found = first && deepest(first, path)
    if (found && found.path.length > best.path.length) best = found
  }
  return best
}

function advice(issue: Issue): string {
  if (issue.code === 'invalid_type' && issue.input === undefined && issue.message.endsWith('undefined')) {
    return `is missing; send ${article(issue.expected)}.`
  }
  if (issue.code === 'invalid_type') return `must be ${article(issue.expected)}; correct its type or leave it out.`
  if (issue.code === 'invalid_value')
    return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}.`
  if (issue.code === 'too_big') return `must ${limit(issue.origin)} at most ${issue.maximum}.`
  if (issue.code === 'too_small') return `must ${limit(issue.origin)} at least ${issue.minimum}.`
  if (issue.code === 'invalid_union') return unionAdvice(issue)
  return `${issue.message}; correct it or leave it out.`
}

function limit(origin: string): string {
  if (origin === 'string') return 'have a length of'
  return origin === 'array' ? 'have a number of items of' : 'be'
}

function unionAdvice(issue: Extract<Issue, { code: 'invalid_union' }>): string {
  const options = 'options' in issue && Array.isArray(issue.options) ? issue.options : []
  if (options.length > 0) return `must be one of ${options.map((value) => JSON.stringify(value)).join(', ')}.`
  const named = issue.errors.flatMap((branch) => branch.filter((each) => each.code === 'invalid_value'))[0]
  if (named && typeof issue.input === 'string') return advice(named)
  const kinds = issue.errors.flatMap((branch) => {
    const first = branch[0]
    return first?.code === 'invalid_type' ? [article(first.expected)] : []
  })
  if (kinds.length > 0) return `must be ${[...new Set(kinds)].join(' or ')}; correct its type or leave it out.`
  return 'has a value that is not understood; correct it or leave it out.'
}

function article(kind: string): string {
  const word = kind === 'record' ? 'object' : kind === 'int' ? 'integer' : kind
  return `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`
}

/** `['messages', 2, 'content']` → `messages[2].content`. */
function formatPath(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? String(part) : `.${String(part)}`
  }
  return text
}
