/**
 * How long an answer asks to wait before another try, in ms: `retry-after-ms` where it is sent, else `Retry-After` in
 * seconds or as a date (RFC 9110 section 10.2.3). `undefined`: it does not say, or says nothing that can be read.
 *
 * @param header reads a header by its lower-case name.
 */
export function retryAfterMs(
  header: (name: string) => string | null | undefined,
  now: number = Date.now(),
): number | undefined {
  const exact = amount(header('retry-after-ms'))
  if (exact !== undefined) return Math.ceil(exact)
  const after = header('retry-after')
  const seconds = amount(after)
  if (seconds !== undefined) return Math.ceil(seconds * 1000)
  const date = Date.parse(after ?? '')
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

function amount(text: string | null | undefined): number | undefined {
  return text != null && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : undefined
}
