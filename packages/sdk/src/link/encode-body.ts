import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { type LinkEncoding, MAX_WINDOW_LOG } from './wire/index.ts'

/** A body as it crosses the link. */
export interface EncodedBody {
  readonly bytes: Buffer
  /** Undefined: as it is. */
  readonly encoding: LinkEncoding | undefined
}

/** Smaller ones fit a packet as they are. */
const LEAST_BYTES = 1024
/** Larger ones are encoded off the event loop: a megabyte takes 4 ms. */
const SYNC_BYTES = 65_536

const gzip = promisify<Buffer, Buffer>(zlib.gzip)

/** Encodes a request body, where that makes it smaller. */
export async function encodeBody(body: Buffer): Promise<EncodedBody> {
  if (body.length < LEAST_BYTES) return { bytes: body, encoding: undefined }
  // Node before 22.15 has no zstd.
  const encoding: LinkEncoding = 'zstdCompressSync' in zlib ? 'zstd' : 'gzip'
  const bytes = encoding === 'zstd' ? await zstd(body) : await gzip(body)
  return bytes.length < body.length ? { bytes, encoding } : { bytes: body, encoding: undefined }
}

async function zstd(body: Buffer): Promise<Buffer> {
  const params = { [zlib.constants.ZSTD_c_windowLog]: windowLogOf(body.length) }
  if (body.length <= SYNC_BYTES) return zlib.zstdCompressSync(body, { params })
  return promisify<Buffer, zlib.ZstdOptions, Buffer>(zlib.zstdCompress)(body, { params })
}

/** A window over the whole body, so that what was said at its beginning helps at its end. */
const windowLogOf = (bytes: number): number => Math.min(MAX_WINDOW_LOG, Math.max(10, Math.ceil(Math.log2(bytes))))
