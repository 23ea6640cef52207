/** What the first bytes of images look like, as latin1, by media type. */
const SIGNATURES: readonly (readonly [pattern: RegExp, type: string])[] = [
  [/^.PNG\r\n.\n/s, 'image/png'],
  [/^\xff\xd8\xff/, 'image/jpeg'],
  [/^GIF8[79]a/, 'image/gif'],
  [/^RIFF.{4}WEBP/s, 'image/webp'],
  [/^.{4}ftyp(?:heic|heix)/s, 'image/heic'],
  [/^.{4}ftyp(?:mif1|heim)/s, 'image/heif'],
]

/** Media type of an image by its bytes; what a server says of them is not asked. `undefined`: no image. */
export function imageType(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 16)).toString('latin1')
  return SIGNATURES.find(([pattern]) => pattern.test(start))?.[1]
}
