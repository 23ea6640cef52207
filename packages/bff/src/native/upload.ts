import { Readable, Transform } from 'node:stream'
import { FerryError } from '@llm-ferry/sdk'
import type { Context } from '../context.ts'

/**
 * The caller's body as it streams on, never more than `maxBytes` of it.
 *
 * @throws {FerryError} `request_too_large` when the declared length is larger already.
 */
export function limitedUpload({ req: request, state }: Context, maxBytes: number): Readable {
  if (state.body) return Readable.from([state.body], { objectMode: false })
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  let size = 0
  const limiter = new Transform({
    transform(piece: Buffer, _, done) {
      size += piece.length
      done(size > maxBytes ? tooLarge(maxBytes) : null, piece)
    },
  })
  request.once('close', () => {
    if (!request.complete) limiter.destroy(new FerryError('client_closed', 'The caller left while sending'))
  })
  return request.pipe(limiter)
}

function tooLarge(maxBytes: number): FerryError {
  return new FerryError('request_too_large', `The body is larger than ${maxBytes} bytes (MAX_UPLOAD_BYTES)`)
}

/** Longest beginning of a form that is looked through for its fields. */
const PEEKED = 65_536

/**
 * Reads the beginning of a form, for the fields that stand there, and gives back a body that still has it.
 *
 * @param rename the model's name at the vendor; written in place of the caller's where it differs.
 */
export async function peekForm(
  upload: Readable,
  contentType: string,
  rename: (model: string) => string,
): Promise<{ readonly fields: Readonly<Record<string, string>>; readonly body: Readable }> {
  const pieces: Buffer[] = []
  let size = 0
  const source = upload[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  while (size < PEEKED) {
    const { value, done } = await source.next()
    if (done) break
    pieces.push(value)
    size += value.length
  }
  const head = Buffer.concat(pieces).toString('latin1')
  const fields = formFields(head, contentType)
  const { model } = fields
  const renamed = model === undefined ? head : head.replace(MODEL_FIELD, (_, before) => before + rename(model))
  return { fields, body: resumed(Buffer.from(renamed, 'latin1'), source) }
}

const MODEL_FIELD = /([; ]name="?model"?\r\n(?:[^\r\n]+\r\n)*\r\n)[^\r\n]*/

function resumed(head: Buffer, source: AsyncIterator<Buffer>): Readable {
  async function* bytes(): AsyncGenerator<Buffer, void> {
    try {
      if (head.length > 0) yield head
      for (let step = await source.next(); !step.done; step = await source.next()) yield step.value
    } finally {
      await source.return?.()
    }
  }
  return Readable.from(bytes(), { objectMode: false })
}

/** Short text fields of a multipart body's beginning. Files, and fields behind it, are not looked for. */
export function formFields(head: string, contentType: string): Record<string, string> {
  const [, quoted, bare] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? []
  const fields: Record<string, string> = {}
  // The last part may be cut.
  const parts = head.split(`--${quoted ?? bare ?? '\0'}`).slice(1, -1)
  for (const part of parts) {
    const [, name] = /\r\ncontent-disposition:[^\r\n]*[; ]name="?([^";\r\n]+)"?(?![^\r\n]*filename)/i.exec(part) ?? []
    const start = part.indexOf('\r\n\r\n')
    if (name !== undefined && start !== -1) fields[name] = part.slice(start + 4, -2)
  }
  return fields
}
