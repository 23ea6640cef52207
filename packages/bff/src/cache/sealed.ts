import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompressSync } from 'node:zlib'
import type { KeptAnswer } from './answer.ts'
import type { Fingerprint } from './fingerprint.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Longest answer that is kept, in UTF-16 units before compression, and what such a one can take in bytes. */
export const MAX_LENGTH = 4_194_304
const MAX_BYTES = MAX_LENGTH * 3

const compress = promisify(zstdCompress)

/** Packs an answer so that nobody can read it who does not know the request it belongs to; `undefined`: it is too long. */
export async function seal(answer: KeptAnswer, { name, key }: Fingerprint): Promise<Buffer | undefined> {
  const text = JSON.stringify(answer)
  if (text.length > MAX_LENGTH) return undefined
  const packed = await compress(text)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name))
  return Buffer.concat([nonce, cipher.update(packed), cipher.final(), cipher.getAuthTag()])
}

/** The answer, or `undefined` when the entry is another request’s, or damaged. */
export function unseal(sealed: Buffer, { name, key }: Fingerprint): KeptAnswer | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined
  const nonce = sealed.subarray(0, NONCE_BYTES)
  const tag = sealed.subarray(-TAG_BYTES)
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(name)).setAuthTag(tag)
    const packed = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
    const text = zstdDecompressSync(packed, { maxOutputLength: MAX_BYTES })
    return JSON.parse(text.toString('utf8')) as KeptAnswer
  } catch {
    return undefined
  }
}
