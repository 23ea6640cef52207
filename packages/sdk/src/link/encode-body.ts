import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { encodeOptions, type LinkEncoding, zstd } from './wire/index.ts'

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

/** Encodes a request body, where that makes it smaller. */
export async function encodeBody(body: Buffer): Promise<EncodedBody> {
  if (body.length < LEAST_BYTES) return { bytes: body, encoding: undefined }
  const encoding: LinkEncoding = zstd === undefined ? 'gzip' : 'zstd'
  const bytes = encoding === 'zstd' ? await compress(body) : await promisify<Buffer, Buffer>(gzip)(body)
  return bytes.length < body.length ? { bytes, encoding } : { bytes: body, encoding: undefined }
}

/** Encodes a body as its difference from one that the relay has. Only where zstd takes dictionaries. */
export async function encodeDifference(body: Buffer, base: Buffer): Promise<EncodedBody> {
  return { bytes: await compress(body, base), encoding: 'zstd-dictionary' }
}

function compress(body: Buffer, dictionary?: Buffer): Promise<Buffer> {
  const options = encodeOptions(body.length, dictionary)
  if (zstd === undefined) throw new Error('there is no zstd here')
  const { zstdCompress, zstdCompressSync } = zstd
  if (body.length + (dictionary?.length ?? 0) <= SYNC_BYTES) return Promise.resolve(zstdCompressSync(body, options))
  return new Promise((resolve, reject) => {
    zstdCompress(body, options, (error, bytes) => (error === null ? resolve(bytes) : reject(error)))
  })
}
