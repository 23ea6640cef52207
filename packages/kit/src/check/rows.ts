import { readFileSync } from 'node:fs'
import type { Variable, Variables } from '../env.ts'
import type { Settings, Source } from '../env-file.ts'
import { displayable, MASK, secretParts } from '../mask.ts'

/** A variable as it is in force. */
export interface Row {
  readonly name: string
  /** Absent: there is none. Of a secret only what may be seen. */
  readonly value?: string
  readonly unit?: string
  readonly source: Source
  readonly secret?: true
}

/** All variables of a service, with what may be shown of them. */
export function rowsOf(variables: Variables, settings: Settings): readonly Row[] {
  return Object.entries(variables).map(([name, variable]) => rowOf(name, variable, settings))
}

/** Everything secret that the variables hold. */
export function secretsOf(variables: Variables, settings: Settings): readonly string[] {
  return Object.entries(variables)
    .filter(([, { secret }]) => secret === true)
    .flatMap(([name]) => [settings.env[name], textOfFile(settings.env[`${name}_FILE`])])
    .flatMap((text) => secretParts(text ?? ''))
}

function rowOf(name: string, variable: Variable<unknown>, settings: Settings): Row {
  const about = {
    name,
    ...(variable.unit && { unit: variable.unit }),
    ...(variable.secret && { secret: true as const }),
  }
  const file = variable.secret ? settings.env[`${name}_FILE`] : undefined
  const text = settings.env[name] ?? textOfFile(file)
  if (text === undefined || text.trim() === '') return { ...about, ...defaultOf(variable), source: { kind: 'default' } }
  const source =
    settings.sourceOf(name) ?? (file === undefined ? { kind: 'environment' } : { kind: 'file', path: file })
  return { ...about, value: variable.secret ? secretShown(variable, text) : displayable(text.trim()), source }
}

function secretShown({ parse, shown }: Variable<unknown>, text: string): string {
  if (shown === undefined) return MASK
  try {
    return shown(parse(text.trim()))
  } catch {
    return MASK
  }
}

function defaultOf(variable: Variable<unknown>): { value?: string } {
  if (variable.default === undefined) return {}
  return { value: String(variable.default) }
}

function textOfFile(path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
