import type { Variable } from '@llm-ferry/kit'

/** Where spans go, and how many. */
export interface TracingSettings {
  /** Base URL of an OTLP/HTTP receiver; spans go to /v1/traces below it. */
  readonly endpoint: URL
  /** Headers for the receiver. */
  readonly headers: Readonly<Record<string, string>>
  readonly serviceName: string
  /** Share of the traces begun here that are recorded, 0 to 1. */
  readonly ratio: number
}

/** A share, 0 to 1. */
export function share<const O extends Omit<Variable<number>, 'parse'>>(options: O): O & Variable<number> {
  return {
    ...options,
    parse(text) {
      const value = Number(text)
      if (/^[\d.]+$/.test(text) && value >= 0 && value <= 1) return value
      throw new Error('must be a number from 0 to 1')
    },
  }
}

/** Headers as `name=value` with commas, values percent-encoded: the form that OpenTelemetry prescribes. */
export function otlpHeaders<const O extends Omit<Variable<Readonly<Record<string, string>>>, 'parse'>>(
  options: O,
): O & Variable<Readonly<Record<string, string>>> {
  return { ...options, parse: (text) => Object.fromEntries(text.split(',').map(headerPair)) }
}

function headerPair(pair: string): [string, string] {
  const mark = pair.indexOf('=')
  const name = pair.slice(0, mark).trim().toLowerCase()
  if (mark < 1 || !/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) throw new Error('must be name=value, with commas')
  try {
    return [name, decodeURIComponent(pair.slice(mark + 1).trim())]
  } catch {
    throw new Error('must have its values percent-encoded')
  }
}
