import { FerryError, HEADERS } from '@llm-ferry/sdk'

/** SDKs of the first generation sent `x-stainless-timeout` in ms; no caller means more than an hour of seconds. */
const MOST_SECONDS = 3600

/**
 * How long the caller waits for its answer, in ms, as its headers say: `x-ferry-timeout-ms`, else the vendors' SDKs'
 * own `x-stainless-timeout` (openai, anthropic) and `x-server-timeout` (google), in seconds. `undefined`: it does not say.
 *
 * @throws {FerryError} `invalid_request` for an `x-ferry-timeout-ms` that is no positive number. The SDKs' own headers
 * are hints: one that cannot be read is passed over.
 */
export function requestedTimeoutMs(headers: NodeJS.Dict<string | string[]>): number | undefined {
  const own = headers[HEADERS.timeoutMs]
  if (own !== undefined) return ownTimeoutMs(String(own))
  const seconds = Number(headers['x-stainless-timeout'] ?? headers['x-server-timeout'])
  if (!(seconds > 0)) return undefined
  return Math.ceil(seconds > MOST_SECONDS ? seconds : seconds * 1000)
}

function ownTimeoutMs(text: string): number {
  const ms = Number(text)
  if (ms > 0 && Number.isFinite(ms)) return Math.ceil(ms)
  throw new FerryError('invalid_request', `${HEADERS.timeoutMs} must be a positive number of ms, not "${text}"`, {
    param: HEADERS.timeoutMs,
  })
}
