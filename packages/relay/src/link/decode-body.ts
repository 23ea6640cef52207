import { promisify } from 'node:util'
import { constants, gunzip, gunzipSync, zstdDecompress, zstdDecompressSync } from 'node:zlib'
import { FerryError } from '@llm-ferry/sdk'
import { isLinkEncoding, type LinkEncoding, MAX_WINDOW_LOG } from '@llm-ferry/sdk/link/wire'
import type { BodyBudget, Reservation } from '../body.ts'

interface Bounds {
  readonly maxOutputLength: number
  readonly params?: Record<number, number>
}

const SYNC: Record<LinkEncoding, (bytes: Buffer, bounds: Bounds) => Buffer> = {
  gzip: gunzipSync,
  zstd: zstdDecompressSync,
}
const ASYNC: Record<LinkEncoding, (bytes: Buffer, bounds: Bounds) => Promise<Buffer>> = {
  gzip: promisify<Buffer, Bounds, Buffer>(gunzip),
  zstd: promisify<Buffer, Bounds, Buffer>(zstdDecompress),
}

/** Larger ones are decoded off the event loop. */
const SYNC_BYTES = 32_768

/** A decoded body and the room that it holds. */
export interface DecodedBody {
  readonly bytes: Buffer
  readonly reservation: Reservation
}

/**
 * A body as it was before the link encoded it, at most `maxBytes` of it: the bound holds while it is decoded, and room for
 * all of it is taken from the budget before.
 *
 * @param encoding value of x-ferry-encoding.
 * @throws {FerryError} `unsupported_media_type`, `request_too_large`, `overloaded`, or `invalid_request` for bytes that are
 * not what they say.
 */
export async function decodeBody(
  body: Buffer,
  encoding: string,
  maxBytes: number,
  budget: BodyBudget,
): Promise<DecodedBody> {
  if (!isLinkEncoding(encoding)) {
    throw new FerryError('unsupported_media_type', `The link encoding "${encoding.slice(0, 40)}" is not understood.`)
  }
  const bounds: Bounds = {
    maxOutputLength: maxBytes,
    ...(encoding === 'zstd' ? { params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG } } : {}),
  }
  budget.take(maxBytes)
  try {
    const bytes = body.length <= SYNC_BYTES ? SYNC[encoding](body, bounds) : await ASYNC[encoding](body, bounds)
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
