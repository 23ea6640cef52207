import * as zlib from 'node:zlib'
import { MAX_WINDOW_LOG } from './headers.ts'

/** How zstd is to work. */
export interface ZstdOptions {
  readonly params: Record<number, number>
  /** What both ends have already. */
  readonly dictionary?: Buffer
  readonly maxOutputLength?: number
}

/** Node's zstd, whose declarations do not know dictionaries. */
interface Zstd {
  readonly zstdCompressSync: (bytes: Buffer, options: ZstdOptions) => Buffer
  readonly zstdDecompressSync: (bytes: Buffer, options: ZstdOptions) => Buffer
  readonly zstdCompress: (
    bytes: Buffer,
    options: ZstdOptions,
    done: (error: Error | null, bytes: Buffer) => void,
  ) => void
  readonly zstdDecompress: Zstd['zstdCompress']
}

/** zstd, where this runtime has it: Node from 22.15 on. */
export const zstd: Zstd | undefined = 'zstdCompressSync' in zlib ? (zlib as unknown as Zstd) : undefined

/** A window over all of these bytes, so that what was said first helps last. */
const windowLogOf = (bytes: number): number => Math.min(MAX_WINDOW_LOG, Math.max(10, Math.ceil(Math.log2(bytes))))

/** How a body is encoded, after what `dictionary` holds. */
export function encodeOptions(bytes: number, dictionary?: Buffer): ZstdOptions {
  const windowLog = windowLogOf(bytes + (dictionary?.length ?? 0))
  const params = { [zlib.constants.ZSTD_c_windowLog]: windowLog }
  return dictionary === undefined ? { params } : { params, dictionary }
}

/** How a body is decoded: at most `maxBytes` of it, with a window that is not above the limit. */
export function decodeOptions(maxBytes: number, dictionary?: Buffer): ZstdOptions {
  const params = { [zlib.constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG }
  return { params, maxOutputLength: maxBytes, ...(dictionary === undefined ? {} : { dictionary }) }
}

let isAble: boolean | undefined

/** Whether zstd takes dictionaries here. Older versions of Node ignore them without a word, so it is tried once. */
export function hasDictionaries(): boolean {
  isAble ??= tryDictionary()
  return isAble
}

function tryDictionary(): boolean {
  if (zstd === undefined) return false
  const dictionary = Buffer.from(Array.from({ length: 256 }, (_, i) => (i * 167) & 0xff))
  try {
    const bytes = zstd.zstdCompressSync(dictionary, encodeOptions(dictionary.length, dictionary))
    if (bytes.length > dictionary.length / 2) return false
    return zstd.zstdDecompressSync(bytes, decodeOptions(dictionary.length, dictionary)).equals(dictionary)
  } catch {
    return false
  }
}
