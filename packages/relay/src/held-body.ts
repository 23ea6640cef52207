import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'

/** Largest answer that is held back to be looked at, as received and decoded. */
const MAX_HELD_BYTES = 4 * 1024 * 1024

const DECODERS: Readonly<Record<string, (bytes: Buffer, options: { maxOutputLength: number }) => Buffer>> = {
  gzip: gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
}

/** An answer's body that is held back until it is whole, because what it says decides what the caller gets. */
export class HeldBody {
  readonly chunks: Buffer[] = []
  readonly #encoding: string | undefined
  #bytes = 0

  /** @param encoding the answer's Content-Encoding. */
  constructor(encoding: string | undefined) {
    this.#encoding = encoding?.trim().toLowerCase()
  }

  /** Adds a piece; false when there is more than is held. */
  add(chunk: Buffer): boolean {
    this.chunks.push(chunk)
    this.#bytes += chunk.length
    return this.#bytes <= MAX_HELD_BYTES
  }

  /** The body decoded, or undefined when it cannot be. */
  text(): string | undefined {
    const bytes = Buffer.concat(this.chunks, this.#bytes)
    if (this.#encoding === undefined || this.#encoding === 'identity') return bytes.toString()
    try {
      return DECODERS[this.#encoding]?.(bytes, { maxOutputLength: MAX_HELD_BYTES }).toString()
    } catch {
      return undefined
    }
  }
}
