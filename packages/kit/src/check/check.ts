import type { Variables } from '../env.ts'
import type { Settings } from '../env-file.ts'

/** Something that works and is probably not meant. */
export interface Warning {
  readonly text: string
  /** What to do about it. */
  readonly todo: string
}

/** What a YAML file says in one place, with nothing secret in it. */
export interface CheckedField {
  readonly field: string
  readonly value: string
  readonly path: string
  readonly line: number
}

/** What a service says of its configuration. */
export interface Checked {
  readonly variables: Variables
  readonly faults: readonly string[]
  readonly warnings: readonly Warning[]
  /** What its YAML file says. */
  readonly fields: readonly CheckedField[]
  /** Secrets that stand elsewhere than in its secret variables: nothing that is printed holds them. */
  readonly secrets: readonly string[]
}

/** Looks at a configuration, without starting anything. */
export type Check = (settings: Settings) => Checked
