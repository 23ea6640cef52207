import { readFileSync } from 'node:fs'

/** Version of the package that this command line is part of. */
export function ownVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
