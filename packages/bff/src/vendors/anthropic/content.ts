import type { CacheControl, FilePart, ImagePart, ToolResultPart, UserPart } from '@llm-ferry/sdk/schema'
import { fileSource, type Inline, isHttpUrl, parseDataUrl } from '../shared/content.ts'
import type { Json } from '../shared/json.ts'
import { invalid, unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'

export type Block = Json

const IMAGE_TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp'])

/** Blocks of what a user or a tool says. Empty text is left out: the vendor refuses it. */
export function contentBlocks(
  content: string | readonly (UserPart | ToolResultPart)[],
  param: string,
  target: Target,
): Block[] {
  if (typeof content === 'string') return textBlocks(content)
  return content.flatMap((part, index) => partBlocks(part, `${param}[${index}]`, target))
}

export function textBlocks(text: string, cache_control?: CacheControl): Block[] {
  return text === '' ? [] : [{ type: 'text', text, ...(cache_control && { cache_control }) }]
}

function partBlocks(part: UserPart | ToolResultPart, param: string, target: Target): Block[] {
  if (part.type === 'text') return textBlocks(part.text, part.cache_control)
  if (part.type === 'input_audio') throw unsupported(param, target, 'takes no audio; send a transcript.')
  const block = part.type === 'image_url' ? imageBlock(part, param, target) : fileBlock(part, param, target)
  return [part.cache_control ? { ...block, cache_control: part.cache_control } : block]
}

function imageBlock({ image_url: { url } }: ImagePart, at: string, target: Target): Block {
  const param = `${at}.image_url.url`
  const inline = parseDataUrl(url, param)
  if (inline) return inlineImage(inline, param, target)
  if (isHttpUrl(url)) return { type: 'image', source: { type: 'url', url } }
  throw invalid(param, 'must be a data: URL or an http(s) address.')
}

function inlineImage({ mimeType, data }: Inline, param: string, target: Target): Block {
  const media_type = mimeType === 'image/jpg' ? 'image/jpeg' : mimeType
  if (!IMAGE_TYPES.has(media_type)) {
    throw unsupported(param, target, `takes PNG, JPEG, GIF and WebP, not ${media_type}; convert the image.`)
  }
  return { type: 'image', source: { type: 'base64', media_type, data } }
}

function fileBlock({ file }: FilePart, at: string, target: Target): Block {
  const param = `${at}.file`
  const source = fileSource(file, param)
  if (source.kind === 'inline' && source.inline.mimeType.startsWith('image/')) {
    return inlineImage(source.inline, `${param}.file_data`, target)
  }
  const title = file.filename === undefined ? {} : { title: file.filename }
  if (source.kind === 'url') return { type: 'document', source: { type: 'url', url: source.url }, ...title }
  if (source.kind === 'id') return { type: 'document', source: { type: 'file', file_id: source.id }, ...title }
  return { type: 'document', source: inlineDocument(source.inline, `${param}.file_data`, target), ...title }
}

function inlineDocument({ mimeType, data }: Inline, param: string, target: Target): Json {
  if (mimeType === 'application/pdf') return { type: 'base64', media_type: mimeType, data }
  if (!mimeType.startsWith('text/') && mimeType !== 'application/json') {
    throw unsupported(param, target, `takes PDF and plain text, not ${mimeType}; convert the file.`)
  }
  return { type: 'text', media_type: 'text/plain', data: Buffer.from(data, 'base64').toString('utf8') }
}
