import type { FilePart } from '@llm-ferry/sdk/schema'
import { invalid } from './refuse.ts'

/** Bytes that a request carries in itself. */
export interface Inline {
  readonly mimeType: string
  /** Base64. */
  readonly data: string
}

const DATA_URL = /^data:([^,]*),/i

/** A `data:` URL taken apart; `undefined` for any other URL. */
export function parseDataUrl(url: string, param: string): Inline | undefined {
  if (url.slice(0, 5).toLowerCase() !== 'data:') return undefined
  const head = DATA_URL.exec(url.slice(0, 512))
  if (!head) throw invalid(param, 'is a broken data: URL; send data:TYPE;base64,DATA.')
  const [type, ...options] = (head[1] ?? '').split(';')
  const data = url.slice(head[0].length)
  const encoded = options.some((option) => option.trim().toLowerCase() === 'base64')
  return { mimeType: (type || 'text/plain').toLowerCase(), data: encoded ? data : percentToBase64(data, param) }
}

function percentToBase64(data: string, param: string): string {
  try {
    return Buffer.from(decodeURIComponent(data), 'utf8').toString('base64')
  } catch {
    throw invalid(param, 'is a broken data: URL; send data:TYPE;base64,DATA.')
  }
}

export function isHttpUrl(url: string): boolean {
  return /^https?:\/\//i.test(url.slice(0, 8))
}

/** Bytes, an address, or an id of a file the vendor holds: one of them. */
export type FileSource = { kind: 'inline'; inline: Inline } | { kind: 'url'; url: string } | { kind: 'id'; id: string }

export function fileSource(file: FilePart['file'], param: string): FileSource {
  if (file.file_data !== undefined) {
    const inline = parseDataUrl(file.file_data, `${param}.file_data`)
    if (inline) return { kind: 'inline', inline }
    if (isHttpUrl(file.file_data)) return { kind: 'url', url: file.file_data }
    return { kind: 'inline', inline: { mimeType: 'application/pdf', data: file.file_data } }
  }
  if (file.file_id !== undefined) return { kind: 'id', id: file.file_id }
  throw invalid(param, 'has neither file_data nor file_id; send one of them.')
}

/** All text of a content, parts joined. */
export function plainText(
  content: string | readonly { type: string; text?: string; refusal?: string }[] | undefined,
): string {
  if (content === undefined || typeof content === 'string') return content ?? ''
  return content.map((part) => part.text ?? part.refusal ?? '').join('')
}
