/** One resource method of a vendor SDK, such as `beta.threads.runs.retrieve`. */
export interface Method {
  readonly name: string
  readonly owner: object
  readonly call: (...args: unknown[]) => unknown
  /** The method's text, which tells what arguments it needs. */
  readonly source: string
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** Every method of every resource of a client that Stainless generates: resources hold their client in `_client`. */
export function resourceMethods(client: object): readonly Method[] {
  const methods: Method[] = []
  const visit = (owner: object, path: readonly string[]): void => {
    for (const [key, child] of Object.entries(owner)) {
      if (!key.startsWith('_') && isObject(child) && '_client' in child) visit(child, [...path, key])
    }
    if (owner === client) return
    for (const name of inheritedNames(owner)) {
      const call: unknown = Reflect.get(owner, name)
      if (typeof call !== 'function') continue
      const bound = (...args: unknown[]): unknown => Reflect.apply(call, owner, args)
      methods.push({ name: [...path, name].join('.'), owner, call: bound, source: call.toString() })
    }
  }
  visit(client, [])
  return methods
}

/** Method names of an object's classes. */
export function inheritedNames(owner: object): readonly string[] {
  const names = new Set<string>()
  for (
    let proto = Object.getPrototypeOf(owner);
    proto && proto !== Object.prototype;
    proto = Object.getPrototypeOf(proto)
  ) {
    for (const name of Object.getOwnPropertyNames(proto)) {
      const isMethod = typeof Object.getOwnPropertyDescriptor(proto, name)?.value === 'function'
      if (isMethod && name !== 'constructor' && !name.startsWith('_')) names.add(name)
    }
  }
  return [...names].sort()
}

/** Plausible arguments for a method, as its parameters and destructurings ask for them. */
export function plausibleArguments({ source }: Method, fields: Readonly<Record<string, unknown>>): readonly unknown[] {
  return parameters(source)
    .filter((parameter) => !/^_?(options|opts|requestOptions)\b/.test(parameter))
    .map((parameter) => {
      if (parameter.startsWith('{')) return { ...named(parameter, source), ...fields }
      const [name = ''] = parameter.split(/\s*=/)
      return /^_?(body|query|params|request)$/.test(name)
        ? { ...destructured(name, source), ...fields }
        : pathValue(name)
    })
}

/** A value for a path: with what needs escaping, since a proxy may neither decode nor escape again. */
const pathValue = (name: string): string => `${name.toLowerCase()} 1:ä`

function destructured(name: string, source: string): Readonly<Record<string, unknown>> {
  const [, pattern = ''] = new RegExp(`\\{([^{}]*)\\}\\s*=\\s*${name}\\b`).exec(source) ?? []
  return named(`{${pattern}}`, source)
}

function named(pattern: string, source: string): Readonly<Record<string, unknown>> {
  const names = pattern
    .slice(1, pattern.lastIndexOf('}'))
    .split(',')
    .map((part) => part.trim().split(/[\s:=]/)[0] ?? '')
    .filter((name) => name !== '' && !name.startsWith('...'))
  return Object.fromEntries(names.map((name) => [name, fieldValue(name, source)]))
}

function fieldValue(name: string, source: string): unknown {
  if (name === 'betas') return ['beta-2026-01-01', 'other-beta']
  if (/s$/i.test(name) && !source.includes(`\${${name}}`) && /files|Ids|_ids/.test(name)) return []
  return pathValue(name)
}

/** The parameter texts of a function, split at the commas of the outermost level. */
function parameters(source: string): readonly string[] {
  const start = source.indexOf('(')
  const parts: string[] = []
  let depth = 0
  let from = start + 1
  for (let at = start; at < source.length; at++) {
    const letter = source[at] ?? ''
    if ('([{'.includes(letter)) depth++
    else if (')]}'.includes(letter)) depth--
    if (depth === 0 || (depth === 1 && letter === ',')) {
      parts.push(source.slice(from, at).trim())
      from = at + 1
    }
    if (depth === 0) break
  }
  return parts.filter((part) => part !== '')
}
