import type { Settings } from './options.ts'
import { HEADERS } from './schema/headers.ts'

const LEAVE_TIMEOUT_MS = 5_000

/**
 * Tells the server that nobody waits for a call any more. With an Idempotency-Key it takes a closed connection for a
 * lost one and works on for a while; this ends the vendor's work at once.
 */
export function leaveCall(settings: Settings, key: string, headers: Record<string, string>): void {
  void sendLeave(settings, key, headers).catch(() => undefined)
}

async function sendLeave(settings: Settings, key: string, headers: Record<string, string>): Promise<void> {
  const response = await settings.fetch(`${settings.root}/v1/calls/${encodeURIComponent(key)}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${await settings.apiKey()}`, ...headers },
    signal: AbortSignal.timeout(LEAVE_TIMEOUT_MS),
    // A page may be closing.
    keepalive: true,
  })
  await response.body?.cancel()
}

/** The end user as a header, which carries bytes: what is not printable ASCII is percent-encoded. */
export function userHeader(user: string | undefined): Record<string, string> {
  if (user === undefined) return {}
  return { [HEADERS.user]: /^[\x20-\x24\x26-\x7e]*$/.test(user) ? user : encodeURIComponent(user) }
}

/** The end user that {@link userHeader} wrote. */
export function userOfHeader(value: string): string {
  if (!value.includes('%')) return value
  try {
    const user = decodeURIComponent(value)
    return userHeader(user)[HEADERS.user] === value ? user : value
  } catch {
    return value
  }
}
