import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino'
import { bufferedStdout } from './buffered-stdout.ts'

export type { Logger } from 'pino'

/** Log levels, from quiet to loud. */
export const LOG_LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const

/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number]

// Nothing here should ever hold a secret; should a caller err, these names are blanked wherever they stand.
const SECRET_FIELDS = ['authorization', 'apiKey', 'key', 'token', 'secret', 'password', 'cookie', 'body', 'headers']

/**
 * JSON lines on stdout: a constant event name in `event`, the rest as fields.
 *
 * @param service name of the process in each line, such as `relay`.
 */
export function createLogger(
  service: string,
  level: LogLevel,
  destination: DestinationStream = bufferedStdout(),
): Logger {
  const options = {
    level,
    base: { service, pid: process.pid },
    messageKey: 'event',
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, destination)
}
