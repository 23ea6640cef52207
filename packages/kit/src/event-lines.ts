import { type Logger, symbols } from 'pino'

/** Fields of a line, in the order in which they are written; undefined ones are left out. */
export type LineFields = Readonly<Record<string, string | number | boolean | undefined>>

interface Internals {
  readonly [symbols.streamSym]: { write(line: string): void }
  /** The members of every line, with a comma before each. */
  readonly [symbols.chindingsSym]: string
}

/**
 * Writes lines of one event at level info, as `log.info(fields, event)` would: for events of every request, of whose
 * CPU time pino takes a tenth. Nothing is redacted, so the fields must be none of a caller's making, or looked at before.
 */
export function eventLines(log: Logger, event: string): (fields: LineFields) => void {
  const { [symbols.streamSym]: destination, [symbols.chindingsSym]: bindings } = log as unknown as Internals
  const end = `,"event":${JSON.stringify(event)}}\n`
  return (fields) => {
    if (!log.isLevelEnabled('info')) return
    let line = `{"level":"info","time":"${isoNow()}"${bindings}`
    for (const name in fields) {
      const value = fields[name]
      if (value !== undefined) line += `,"${name}":${typeof value === 'string' ? quoted(value) : value}`
    }
    destination.write(line + end)
  }
}

// A busy millisecond has many lines.
let lastMs = 0
let lastIso = ''

function isoNow(): string {
  const now = Date.now()
  if (now !== lastMs) {
    lastMs = now
    lastIso = new Date(now).toISOString()
  }
  return lastIso
}

const NEEDS_NO_ESCAPE = /^[ !#-[\]-~]*$/

const quoted = (text: string): string => (NEEDS_NO_ESCAPE.test(text) ? `"${text}"` : JSON.stringify(text))
