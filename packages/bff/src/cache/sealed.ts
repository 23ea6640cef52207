import { promisify } from 'node:util'
import { zstdCompress, zstdDecompressSync } from 'node:zlib'
import { openBytes, sealBytes } from '../sealed.ts'
import type { KeptAnswer } from './answer.ts'
import type { Fingerprint } from './fingerprint.ts'

/** Longest answer that is kept, in UTF-16 units before compression, and what such a one can take in bytes. */
export const MAX_LENGTH = 4_194_304
const MAX_BYTES = MAX_LENGTH * 3

const compress = promisify(zstdCompress)

/** Packs an answer so that nobody can read it who does not know the request it belongs to; `undefined`: it is too long. */
export async function seal(answer: KeptAnswer, { name, key }: Fingerprint): Promise<Buffer | undefined> {
  const text = JSON.stringify(answer)
  if (text.length > MAX_LENGTH) return undefined
  const packed = await compress(text)
  return sealBytes(packed, key, name)
}

/** The answer, or `undefined` when the entry is another request’s, or damaged. */
export function unseal(sealed: Buffer, { name, key }: Fingerprint): KeptAnswer | undefined {
  const packed = openBytes(sealed, key, name)
  if (packed === undefined) return undefined
  try {
    const text = zstdDecompressSync(packed, { maxOutputLength: MAX_BYTES })
    return JSON.parse(text.toString('utf8')) as KeptAnswer
  } catch {
    return undefined
  }
}
