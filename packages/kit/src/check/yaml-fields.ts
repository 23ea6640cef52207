import { readFileSync } from 'node:fs'
import { ConfigError } from '../env.ts'
import { displayable, MASK } from '../mask.ts'
import { parseYamlFile, type YamlField } from '../yaml-file.ts'
import type { CheckedField, Warning } from './check.ts'
import { secretFileWarnings } from './files.ts'

/** What a YAML file says, for a check. */
export interface CheckedYaml {
  readonly fields: readonly CheckedField[]
  /** Secrets that stand in it. */
  readonly secrets: readonly string[]
  readonly warnings: readonly Warning[]
  /** What is written, secrets included. */
  readonly written: readonly YamlField[]
}

/** A name that a secret has, also where it is not quite the right one. */
const SECRET_NAME = /(key|token|secret|password)s?(\.\d+)?$/i
const REFERENCE = /^\$\{[A-Z0-9_]+\}$/

/** What a YAML file says; nothing where it cannot be read, which is a fault of its own. */
export function checkYaml(path: string | undefined): CheckedYaml {
  const written = path === undefined ? [] : read(path)
  const secrets = written.filter(isSecret).map(({ text }) => text)
  return {
    fields: written.map((field) => ({
      field: field.field,
      value: isSecret(field) ? MASK : displayable(field.text),
      path: path ?? '',
      line: field.line,
    })),
    secrets: secrets.filter((text) => text.length >= 6),
    warnings: secrets.length > 0 ? secretFileWarnings(path ?? '') : [],
    written,
  }
}

const isSecret = ({ field, text }: YamlField): boolean => SECRET_NAME.test(field) && !REFERENCE.test(text)

function read(path: string): readonly YamlField[] {
  try {
    return parseYamlFile(readFileSync(path, 'utf8'), path).fields()
  } catch (error) {
    if (error instanceof ConfigError || (error as NodeJS.ErrnoException).code) return []
    throw error
  }
}
