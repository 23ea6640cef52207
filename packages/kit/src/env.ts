import { readFileSync } from 'node:fs'
import { MASK, quotable } from './mask.ts'

/**
 * One environment variable: how its text becomes a value, and what the reference says of it.
 *
 * `parse` throws an Error whose message completes the sentence "NAME …", such as `must be a port (1 to 65535)`.
 */
export interface Variable<T> {
  readonly parse: (text: string) => T
  readonly doc: string
  /** Unit of the text, such as `ms` or `bytes`. */
  readonly unit?: string
  /** Value when the variable is absent or empty. Absent here: `undefined` unless `required`. */
  readonly default?: T
  /** How the default reads in the reference, when it is not the value's own text. */
  readonly defaultText?: string
  /** What to set when the variable is missing; its presence makes the variable required. */
  readonly required?: string
  /** Whether the value is a secret: it may come from the file NAME_FILE, and is never printed. */
  readonly secret?: boolean
  /** What may be shown of a secret, such as the names in it. Default: nothing. */
  shown?(value: T): string
}

/** Variables by name. */
export type Variables = Readonly<Record<string, Variable<unknown>>>

type ValueOf<V> = V extends { parse: (text: string) => infer T }
  ? V extends { default: unknown } | { required: string }
    ? T
    : T | undefined
  : never

/** The values of a table of variables. */
export type ValuesOf<T extends Variables> = { readonly [K in keyof T]: ValueOf<T[K]> }

/** Configuration that cannot be used. The message names every variable at fault and what to do. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/**
 * Reads all variables of a table and reports all faults at once.
 *
 * @param env usually `process.env`; an empty value counts as absent.
 * @throws {ConfigError} naming each variable, its fault and the fix.
 */
export function readVariables<const T extends Variables>(table: T, env: NodeJS.ProcessEnv): ValuesOf<T> {
  const { values, faults } = checkVariables(table, env)
  if (faults.size > 0) throw new ConfigError([...faults.values()])
  return values as ValuesOf<T>
}

/** What could be read of a table of variables. */
export interface CheckedVariables<T extends Variables> {
  /** The values; those at fault are absent, even where there is a default. */
  readonly values: Partial<ValuesOf<T>>
  /** Name of a variable at fault → its fault and the fix, as a sentence. */
  readonly faults: ReadonlyMap<string, string>
}

/** Reads what {@link readVariables} reads, for a caller that has more faults to report along with these. */
export function checkVariables<const T extends Variables>(table: T, env: NodeJS.ProcessEnv): CheckedVariables<T> {
  const faults = new Map<string, string>()
  const values: Record<string, unknown> = {}
  for (const [name, variable] of Object.entries(table)) {
    try {
      values[name] = readVariable(name, variable, env)
    } catch (error) {
      faults.set(name, error instanceof Error ? error.message : String(error))
    }
  }
  return { values: values as Partial<ValuesOf<T>>, faults }
}

function readVariable(name: string, variable: Variable<unknown>, env: NodeJS.ProcessEnv): unknown {
  const text = variable.secret ? secretText(name, env) : env[name]
  if (text === undefined || text.trim() === '') {
    if (variable.required === undefined) return variable.default
    throw new Error(`${name} is missing: ${variable.required}`)
  }
  try {
    return variable.parse(text.trim())
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error)
    throw new Error(variable.secret ? `${name} ${fault}` : `${name} ${fault}, not "${quotable(text)}"`)
  }
}

/**
 * A secret from the environment: NAME, or the content of the file that NAME_FILE names.
 *
 * @throws where both are set, or the file cannot be read.
 */
export function secretText(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const file = env[`${name}_FILE`]
  if (!file) return env[name]
  if (env[name]) throw new Error(`${name} and ${name}_FILE are both set: keep one of them`)
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code
    throw new Error(`${name}_FILE names ${file}, which cannot be read (${reason}): correct the path or its permissions`)
  }
}

function wholeNumber(text: string, min: number, max: number, what: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new Error(`must be ${what} (${min} to ${max})`)
  }
  return value
}

/** The largest delay that Node's timers take; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

type Rest<T> = Omit<Variable<T>, 'parse' | 'unit'>

/** A TCP port, 0 for any free one. */
export function port<const O extends Rest<number>>(options: O): O & Variable<number> {
  return { ...options, parse: (text) => wholeNumber(text, 0, 65535, 'a port') }
}

/** A duration in ms. */
export function milliseconds<const O extends Rest<number>>(options: O): O & Variable<number> {
  return { ...options, unit: 'ms', parse: (text) => wholeNumber(text, 1, MAX_TIMER_MS, 'a whole number of ms') }
}

/** A size in bytes. */
export function bytes<const O extends Rest<number>>(options: O): O & Variable<number> {
  const parse = (text: string): number => wholeNumber(text, 1, Number.MAX_SAFE_INTEGER, 'a whole number of bytes')
  return { ...options, unit: 'bytes', parse }
}

/** A whole number of something. */
export function count<const O extends Rest<number> & { min?: number; max?: number }>(options: O): O & Variable<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = options
  return { ...options, parse: (text) => wholeNumber(text, min, max, 'a whole number') }
}

/** Free text. */
export function text<const O extends Rest<string>>(options: O): O & Variable<string> {
  return { ...options, parse: (value) => value }
}

/** One of a few words. */
export function choice<const C extends readonly string[], const O extends Rest<C[number]>>(
  words: C,
  options: O,
): O & Variable<C[number]> {
  const parse = (value: string): C[number] => {
    if (words.includes(value)) return value
    throw new Error(`must be one of ${words.join(', ')}`)
  }
  return { ...options, parse }
}

/** Values with commas between them, each read by `item`. Empty items are passed over. */
export function list<T, const O extends Rest<readonly T[]>>(
  item: (text: string) => T,
  options: O,
): O & Variable<readonly T[]> {
  const parse = (value: string): readonly T[] =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map(item)
  return { ...options, parse }
}

/** An http or https URL without credentials, query and fragment; the path's trailing slashes are cut off. */
export function origin<const O extends Rest<URL>>(options: O): O & Variable<URL> {
  return { ...options, parse: parseOrigin }
}

/** Reads what {@link origin} reads. Throws an Error that completes "NAME …". */
export function parseOrigin(value: string): URL {
  if (!URL.canParse(value)) throw new Error('must be a URL such as https://api.example.com')
  const url = new URL(value)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error('must begin with http:// or https://')
  if (url.username || url.password) throw new Error('must not contain a user name or password')
  if (url.search || url.hash) throw new Error('must not contain a query or fragment')
  url.pathname = url.pathname.replace(/\/+$/, '')
  return url
}

/** A named secret, as in `name:secret`. */
export interface NamedSecret {
  readonly name: string
  readonly secret: string
}

/** Shortest secret that is accepted: 16 characters of random text are out of reach of guessing over a network. */
const MIN_SECRET_LENGTH = 16
const PRINTABLE = /^[\x21-\x7e]+$/

/** One secret as its holder sends it: what stands after the name in {@link namedSecrets}. */
export function secret<const O extends Rest<string>>(options: O): O & Variable<string> & { secret: true } {
  return { ...options, parse: parseSecret, secret: true }
}

function parseSecret(value: string): string {
  const [, unnamed] = /^[A-Za-z0-9._-]{1,64}:(.*)$/.exec(value) ?? []
  const hint = unnamed === undefined ? '' : '; it looks like name:token: leave out the name and the colon'
  if (value.length < MIN_SECRET_LENGTH) throw new Error(`is shorter than ${MIN_SECRET_LENGTH} characters${hint}`)
  if (!PRINTABLE.test(value)) throw new Error(`has characters that HTTP headers do not carry${hint}`)
  // A secret may have a colon; what would do as a whole entry of name:secret has been copied with its name.
  if (unnamed !== undefined && unnamed.length >= MIN_SECRET_LENGTH) {
    throw new Error('looks like name:token: leave out the name and the colon')
  }
  return value
}

/** Secrets as `name:secret`, with commas. Names and secrets must be unique. */
export function namedSecrets<const O extends Rest<readonly NamedSecret[]>>(
  options: O,
): O & Variable<readonly NamedSecret[]> & { secret: true } {
  const parse = (value: string): readonly NamedSecret[] => {
    const entries = value
      .split(/[,\n]/)
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map(parseNamedSecret)
    requireUnique(entries)
    return entries
  }
  return { shown: namesOf, ...options, parse, secret: true }
}

/** What may be shown of named secrets. */
export const namesOf = (entries: readonly NamedSecret[]): string =>
  entries.map(({ name }) => `${name}:${MASK}`).join(',')

function parseNamedSecret(text: string, index: number): NamedSecret {
  const [, name = '', secret = ''] = /^([A-Za-z0-9._-]{1,64}):(.*)$/.exec(text) ?? []
  if (name === '') throw new Error(`must be name:secret pairs with commas (entry ${index + 1} is not)`)
  if (secret.length < MIN_SECRET_LENGTH) {
    throw new Error(
      `has a secret shorter than ${MIN_SECRET_LENGTH} characters for "${name}"; try \`openssl rand -hex 24\``,
    )
  }
  if (!PRINTABLE.test(secret))
    throw new Error(`has characters in the secret of "${name}" that HTTP headers do not carry`)
  return { name, secret }
}

function requireUnique(entries: readonly NamedSecret[]): void {
  const names = new Set<string>()
  const secrets = new Set<string>()
  for (const { name, secret } of entries) {
    if (names.has(name)) throw new Error(`names "${name}" twice; give each entry a name of its own`)
    if (secrets.has(secret)) throw new Error(`gives "${name}" a secret that another name has already`)
    names.add(name)
    secrets.add(secret)
  }
}

/** Vendor keys with commas: one, or a pool. */
export function keyPool<const O extends Omit<Rest<readonly string[]>, 'secret'>>(
  options: O,
): O & Variable<readonly string[]> & { secret: true } {
  const check = (key: string): string => {
    if (PRINTABLE.test(key)) return key
    throw new Error('has a key with characters that HTTP headers do not carry')
  }
  const shown = (keys: readonly string[]): string => keys.map(() => MASK).join(',')
  return { shown, ...list(check, options), secret: true }
}
