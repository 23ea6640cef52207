import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { ConfigError } from './env.ts'
import { quotable } from './mask.ts'
import { nearest } from './nearest.ts'

type Path = readonly PropertyKey[]

/** A value that stands in a YAML file. */
export interface YamlField {
  /** Such as `aliases.smart.0`. */
  readonly field: string
  /** As it is written. */
  readonly text: string
  readonly line: number
}

/** A configuration file in YAML, read, with the places of what stands in it. */
export interface YamlFile {
  readonly value: unknown
  /** `FILE:LINE: FIELD`, which begins a sentence about a field; the nearest line where the field itself is not written. */
  at(path: Path): string
  /** What schema issues say, a sentence each. */
  faults(issues: readonly z.core.$ZodIssue[]): readonly string[]
  /** All values, in the order of the file. */
  fields(): readonly YamlField[]
}

/**
 * Reads YAML. Errors do not quote the text, which may hold secrets.
 *
 * @param path for sentences.
 * @throws {ConfigError} naming the line.
 */
export function parseYamlFile(text: string, path: string): YamlFile {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false })
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map(({ code, pos }) => {
        const { line, col } = counter.linePos(pos[0])
        return `${path}:${line}: is not YAML from column ${col} on (${code.toLowerCase().replaceAll('_', ' ')})`
      }),
    )
  }
  const at = (field: Path): string => `${path}:${lineOf(document, counter, field)}: ${nameOf(field)}`
  return {
    value: plain(document, path),
    at,
    faults: (issues) =>
      issues.flatMap((issue) => sentences(issue, [])).map(({ field, fault }) => `${at(field)} ${fault}`),
    fields: () => leaves(document.contents, [], counter),
  }
}

// An alias that leads to itself, or a bomb of aliases.
function plain(document: Document, path: string): unknown {
  try {
    return document.toJS()
  } catch (error) {
    throw new ConfigError([
      `${path}: ${error instanceof ReferenceError ? 'its YAML aliases (*name) cannot be followed' : error}`,
    ])
  }
}

/** An object with these fields and no others; another is refused with the field that was probably meant. */
export function fields<const S extends z.core.$ZodLooseShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownFields(issue.keys, Object.keys(shape)) : undefined),
  })
}

function unknownFields(keys: readonly string[], known: readonly string[]): string {
  const sentences = keys.map((key) => {
    const meant = nearest(key, known)
    const advice = meant === undefined ? `there are ${known.join(', ')}` : `did you mean ${meant}?`
    return `has a field "${quotable(key)}" that is not known: ${advice}`
  })
  return sentences.join('; it ')
}

interface Sentence {
  readonly field: Path
  readonly fault: string
}

const NOT_THE_FORM: ReadonlySet<string> = new Set(['invalid_type', 'invalid_value'])

function sentences(issue: z.core.$ZodIssue, above: Path): readonly Sentence[] {
  const field = [...above, ...issue.path]
  if (issue.code === 'invalid_union') {
    // Of several forms the one is meant whose fields were found.
    const meant = issue.errors.find((issues) =>
      issues.every((one) => one.path.length > 0 || !NOT_THE_FORM.has(one.code ?? '')),
    )
    if (meant !== undefined) return meant.flatMap((one) => sentences(one, field))
    const forms = issue.errors.flatMap(([first]) => (first === undefined ? [] : [sentenceOf(first)]))
    return [{ field, fault: [...new Set(forms)].join(', or ') }]
  }
  if (issue.code === 'invalid_key') return issue.issues.map(({ message }) => ({ field, fault: message }))
  return [{ field, fault: sentenceOf(issue) }]
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) {
    if (issue.message.endsWith('undefined')) return 'is missing'
    return `must be ${NOUNS[issue.expected] ?? issue.expected}`
  }
  if (issue.code === 'invalid_value' && issue.message.startsWith('Invalid'))
    return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`
  if (issue.code === 'too_small' && issue.message.startsWith('Too small'))
    return typeof issue.minimum === 'number' && issue.origin === 'array'
      ? `needs at least ${issue.minimum}`
      : `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`
  if (issue.code === 'too_big' && issue.message.startsWith('Too big'))
    return `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`
  return issue.message
}

const NOUNS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object with fields',
  record: 'an object with fields',
}

const nameOf = (field: Path): string => field.map(String).join('.') || 'the file'

function lineOf(document: Document, counter: LineCounter, field: Path): number {
  for (let length = field.length; length > 0; length--) {
    const range = rangeOf(document, field.slice(0, length))
    if (range !== undefined) return counter.linePos(range).line
  }
  return 1
}

/** Where a field begins: its name, or an entry of a list. */
function rangeOf(document: Document, field: Path): number | undefined {
  const parent = field.length === 1 ? document.contents : document.getIn(field.slice(0, -1), true)
  const last = field.at(-1)
  if (isMap(parent)) {
    const pair = parent.items.find(({ key }) => (isScalar(key) ? String(key.value) : key) === String(last))
    return isScalar(pair?.key) ? pair.key.range?.[0] : undefined
  }
  if (!isSeq(parent)) return undefined
  const item = parent.items[Number(last)]
  return isScalar(item) || isMap(item) || isSeq(item) ? item.range?.[0] : undefined
}

function leaves(node: unknown, field: Path, counter: LineCounter): readonly YamlField[] {
  if (isMap(node))
    return node.items.flatMap(({ key, value }) =>
      leaves(value, [...field, String(isScalar(key) ? key.value : key)], counter),
    )
  if (isSeq(node)) return node.items.flatMap((item, index) => leaves(item, [...field, index], counter))
  if (!isScalar(node)) return []
  return [{ field: nameOf(field), text: String(node.value), line: counter.linePos(node.range?.[0] ?? 0).line }]
}
