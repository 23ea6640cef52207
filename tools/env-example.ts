// Writes .env.example from the services' own tables of variables: `node tools/env-example.ts` (a test compares).
import { writeFileSync } from 'node:fs'
import { bffVariables } from '@llm-ferry/bff'
import type { Variable, Variables } from '@llm-ferry/kit'
import { relayVariables } from '@llm-ferry/relay'
import { startVariables } from './start/plan.ts'

const WIDTH = 118

/** The text of .env.example. */
export function envExample(): string {
  const both = Object.fromEntries(Object.entries(relayVariables).filter(([name]) => Object.hasOwn(bffVariables, name)))
  return [
    '# Every variable of every service, with its unit and default. Copy to .env for `npm start`, which reads it.',
    '# A secret may come from a file instead: NAME_FILE=/path/to/secret.',
    '',
    ...section('npm start', startVariables),
    '# RELAY_X and BFF_X override X for one of the two services, for each X that both know:',
    ...wrap(Object.keys(both).join(', ')),
    '# REQUEST_TIMEOUT_MS is 600000 under `npm start`: reasoning models take minutes, and openai’s SDK does not say how',
    '# long it waits.',
    '',
    ...section('relay', relayVariables),
    ...section('bff', bffVariables),
  ].join('\n')
}

function section(title: string, table: Variables): string[] {
  return [`# ── ${title} ${'─'.repeat(WIDTH - title.length - 6)}`, '', ...Object.entries(table).flatMap(entry)]
}

function entry([name, variable]: [string, Variable<unknown>]): string[] {
  return [...wrap(`${variable.doc} ${facts(variable)}`), `#${name}=${sample(variable)}`, '']
}

function facts({ unit, required, secret, ...rest }: Variable<unknown>): string {
  const value = rest.defaultText ?? (rest.default === undefined ? 'none' : shown(rest.default))
  return `(${[unit, required ? 'required' : `default: ${value}`, ...(secret ? ['secret'] : [])].filter(Boolean).join('; ')})`
}

function sample(variable: Variable<unknown>): string {
  // A default that depends on the machine is described, not printed.
  return variable.default === undefined || variable.defaultText !== undefined ? '' : shown(variable.default)
}

function shown(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value)
}

function wrap(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`# ${word}`)
  }
  return lines
}

if (import.meta.main) writeFileSync(new URL('../.env.example', import.meta.url), envExample())
