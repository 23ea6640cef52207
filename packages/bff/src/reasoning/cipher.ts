import { hkdfSync } from 'node:crypto'
import { openBytes, sealBytes } from '../sealed.ts'

/** Seals text for the one who holds the same secret and knows what it is about. */
export class Cipher {
  readonly #key: Uint8Array

  constructor(secret: string) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', 'llm-ferry kept reasoning', 32))
  }

  /** @param about what the text belongs to; it opens with the same only. */
  seal(text: string, about: string): Buffer {
    return sealBytes(Buffer.from(text), this.#key, about)
  }

  /** The text, or `undefined` when it was sealed by another secret, about something else, or is damaged. */
  open(sealed: Buffer, about: string): string | undefined {
    return openBytes(sealed, this.#key, about)?.toString('utf8')
  }
}
