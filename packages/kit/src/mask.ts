/** What stands in the place of a secret. */
export const MASK = '***'

/** A text without the credentials of URLs in it, and without their queries, which at times hold a key. */
export function withoutUrlSecrets(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/)?[^\s"'|]*@/gi, (_, scheme: string | undefined) => `${scheme ?? ''}${MASK}@`)
    .replace(/\?[^\s"',|]*=[^\s"',|]*/g, `?${MASK}`)
}

/**
 * A value at fault, for the sentence that says so. It may be a secret that stands under the wrong name: long words of
 * letters and digits are not shown either.
 */
export function quotable(text: string): string {
  return withoutUrlSecrets(text).replace(/[A-Za-z0-9_-]{20,}/g, (word) =>
    /\d/.test(word) && /[A-Za-z]/.test(word) ? MASK : word,
  )
}

/** A value that is no secret, as it may be shown; one long word may be a secret under the wrong name all the same. */
export function displayable(text: string): string {
  return /^[A-Za-z0-9_-]{20,}$/.test(text) && quotable(text) === MASK ? MASK : withoutUrlSecrets(text)
}

/** What is secret in a secret's text: the credentials of a URL, or each entry with and without its name. */
export function secretParts(text: string): readonly string[] {
  const credentials = [...text.matchAll(/:\/\/([^\s@]*)@/g)].flatMap(([, login = '']) => [login, ...login.split(':')])
  if (text.includes('://')) return credentials.flatMap((part) => [part, decoded(part)]).filter(isLong)
  const entries = text.split(/[,\n]/).map((entry) => entry.trim())
  return [text.trim(), ...entries, ...entries.map((entry) => entry.replace(/^[A-Za-z0-9._-]{1,64}[:=]/, ''))].filter(
    isLong,
  )
}

/** A text in which none of the secrets stands. */
export function scrubbed(text: string, secrets: readonly string[]): string {
  return secrets.toSorted((a, b) => b.length - a.length).reduce((rest, secret) => rest.replaceAll(secret, MASK), text)
}

// Shorter ones are words that stand in other places too, and no service takes them for a secret.
const isLong = (part: string): boolean => part.length >= 6

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
