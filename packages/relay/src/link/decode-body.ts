import { promisify } from 'node:util'
import { gunzip, gunzipSync } from 'node:zlib'
import { FerryError } from '@llm-ferry/sdk'
import {
  decodeOptions,
  isLinkEncoding,
  LINK_HEADERS,
  type LinkEncoding,
  type ZstdOptions,
  zstd,
} from '@llm-ferry/sdk/link/wire'
import type { BodyBudget, Reservation } from '../body.ts'

type Bounds = Partial<ZstdOptions>

interface Decoder {
  readonly now: (bytes: Buffer, bounds: Bounds) => Buffer
  readonly later: (bytes: Buffer, bounds: Bounds) => Promise<Buffer>
}

const GZIP: Decoder = { now: gunzipSync, later: promisify<Buffer, Bounds, Buffer>(gunzip) }
const ZSTD: Decoder | undefined = zstd && {
  now: zstd.zstdDecompressSync as Decoder['now'],
  later: promisify<Buffer, Bounds, Buffer>(zstd.zstdDecompress as never),
}

const DECODERS: Readonly<Record<LinkEncoding, Decoder | undefined>> = {
  gzip: GZIP,
  zstd: ZSTD,
  'zstd-dictionary': ZSTD,
}

/** Larger ones are decoded off the event loop. */
const SYNC_BYTES = 32_768

/** How a body is encoded, and how long it may be. */
export interface BodyCoding {
  /** Value of x-ferry-encoding. */
  readonly encoding: string
  /** What it builds on. */
  readonly base: Buffer | undefined
  readonly maxBytes: number
}

/** A decoded body and the room that it holds. */
export interface DecodedBody {
  readonly bytes: Buffer
  readonly reservation: Reservation
}

/**
 * A body as it was before the link encoded it, at most `maxBytes` of it: the bound holds while it is decoded, and room for
 * all of it is taken from the budget before.
 *
 * @throws {FerryError} `unsupported_media_type`, `request_too_large`, `overloaded`, or `invalid_request` for bytes that are
 * not what they say.
 */
export async function decodeBody(
  body: Buffer,
  { encoding, base, maxBytes }: BodyCoding,
  budget: BodyBudget,
): Promise<DecodedBody> {
  const decoder = isLinkEncoding(encoding) ? DECODERS[encoding] : undefined
  if (decoder === undefined) {
    throw new FerryError('unsupported_media_type', `The link encoding "${encoding.slice(0, 40)}" is not understood.`)
  }
  if ((encoding === 'zstd-dictionary') !== (base !== undefined)) {
    throw new FerryError('invalid_request', `${LINK_HEADERS.dictionary} goes with zstd-dictionary, and only with it.`, {
      param: LINK_HEADERS.dictionary,
    })
  }
  const bounds: Bounds = decoder === GZIP ? { maxOutputLength: maxBytes } : decodeOptions(maxBytes, base)
  budget.take(maxBytes)
  try {
    const isSmall = body.length + (base?.length ?? 0) <= SYNC_BYTES
    const bytes = isSmall ? decoder.now(body, bounds) : await decoder.later(body, bounds)
    budget.give(maxBytes - bytes.length)
    return { bytes, reservation: reservationOf(bytes.length, budget) }
  } catch (error) {
    budget.give(maxBytes)
    throw bodyFault(error, maxBytes)
  }
}

function reservationOf(bytes: number, budget: BodyBudget): Reservation {
  let left = bytes
  return {
    release() {
      budget.give(left)
      left = 0
    },
  }
}

function bodyFault(error: unknown, maxBytes: number): FerryError {
  const { code } = error as { code?: string }
  if (code === 'ERR_BUFFER_TOO_LARGE') {
    return new FerryError('request_too_large', `The request body is larger than the limit of ${maxBytes} bytes.`)
  }
  return new FerryError('invalid_request', 'The body is not encoded as x-ferry-encoding says.', { cause: error })
}
