import { hash } from 'node:crypto'

/**
 * What is kept of a secret. A plain SHA-256 is enough because secrets are random and long: a slow hash only helps words
 * that people choose, and would cost every request milliseconds.
 */
export function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}
