import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import { FerryError } from '@llm-ferry/sdk'
import getRawBody from 'raw-body'
import type { Context } from '../context.ts'

const DECODERS = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
} as const

/**
 * Reads a JSON body of at most `maxBytes`, before and after decompression.
 *
 * @throws {FerryError} `request_too_large`, `unsupported_media_type`, `invalid_request`, or `client_closed`.
 */
export async function readJson(context: Context, maxBytes: number): Promise<unknown> {
  return (await readJsonBody(context, maxBytes)).value
}

/** A JSON body in all its forms. */
export interface JsonBody {
  /** As it was sent, still compressed where it was. */
  readonly bytes: Buffer
  readonly text: string
  readonly value: unknown
}

/** Reads a body as {@link readJson} does, and keeps what it was read from. */
export async function readJsonBody(context: Context, maxBytes: number): Promise<JsonBody> {
  const type = context.request.type
  if (type && !/^application\/(.+\+)?json$/i.test(type)) {
    throw new FerryError('unsupported_media_type', `The body is ${type}: send application/json`)
  }
  const bytes = await readBytes(context, maxBytes)
  const text = (await decode(context, bytes, maxBytes)).toString('utf8')
  if (text.trim() === '') throw new FerryError('invalid_request', 'The body is empty: send a JSON object')
  try {
    return { bytes, text, value: JSON.parse(text) }
  } catch (error) {
    const where = placeOfFault((error as Error).message)
    throw new FerryError('invalid_request', `The body is not valid JSON${where}: check quotes, commas and brackets`)
  }
}

/** Reads the body as it was sent, and keeps it for the route. Throws as {@link readJson} does. */
export async function holdBody(context: Context, maxBytes: number): Promise<Buffer> {
  context.state.body ??= await readBytes(context, maxBytes)
  return context.state.body
}

async function readBytes(context: Context, maxBytes: number): Promise<Buffer> {
  if (context.state.body) return context.state.body
  try {
    return await getRawBody(context.req, { length: context.get('content-length') || null, limit: maxBytes })
  } catch (error) {
    const { type } = error as { type?: string }
    if (type === 'entity.too.large') throw tooLarge(maxBytes)
    if (type === 'request.aborted')
      throw new FerryError('client_closed', 'The caller left while sending', { cause: error })
    throw new FerryError('invalid_request', 'The body’s size is not what content-length says', { cause: error })
  }
}

async function decode(context: Context, body: Buffer, maxBytes: number): Promise<Buffer> {
  const encoding = context.get('content-encoding').trim().toLowerCase()
  if (encoding === '' || encoding === 'identity') return body
  if (!Object.hasOwn(DECODERS, encoding)) {
    throw new FerryError(
      'unsupported_media_type',
      `The body is encoded as ${encoding}: send ${Object.keys(DECODERS).join(', ')} or none`,
    )
  }
  try {
    return await DECODERS[encoding as keyof typeof DECODERS](body, { maxOutputLength: maxBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes)
    throw new FerryError('invalid_request', `The body is not valid ${encoding}`, { cause: error })
  }
}

function tooLarge(maxBytes: number): FerryError {
  return new FerryError('request_too_large', `The body is larger than ${maxBytes} bytes (MAX_BODY_BYTES)`)
}

/** Where JSON is at fault, as far as V8 tells. Nothing of its message goes on: it quotes the body, which may hold a prompt. */
function placeOfFault(message: string): string {
  if (message === 'Unexpected end of JSON input') return ', it ends too early'
  const [, line, column] = / \(line (\d+) column (\d+)\)$/.exec(message) ?? []
  return line === undefined ? '' : ` at line ${line}, column ${column}`
}
