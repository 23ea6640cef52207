import type { FilePart, ImagePart, ToolResultPart, UserPart } from '@llm-ferry/sdk/schema'
import { fileSource, isHttpUrl, parseDataUrl } from '../shared/content.ts'
import type { Json } from '../shared/json.ts'
import { invalid, unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'

export type Part = Json

const FILES = 'https://generativelanguage.googleapis.com/'

/** Parts of what a user or a tool says. */
export function contentParts(
  content: string | readonly (UserPart | ToolResultPart)[],
  param: string,
  target: Target,
): Part[] {
  if (typeof content === 'string') return textParts(content)
  return content.flatMap((part, index) => mapPart(part, `${param}[${index}]`, target))
}

export function textParts(text: string): Part[] {
  return text === '' ? [] : [{ text }]
}

function mapPart(part: UserPart | ToolResultPart, param: string, target: Target): Part[] {
  if (part.type === 'text') return textParts(part.text)
  if (part.type === 'image_url') return [imagePart(part, `${param}.image_url.url`, target)]
  if (part.type === 'file') return [filePart(part, `${param}.file`, target)]
  const { data, format } = part.input_audio
  const subtype = format === 'mp3' ? 'mpeg' : format
  return [{ inlineData: { mimeType: `audio/${subtype}`, data } }]
}

export function imagePart({ image_url: { url } }: ImagePart, param: string, target: Target): Part {
  const inline = parseDataUrl(url, param)
  if (inline) return { inlineData: inline }
  if (isHttpUrl(url)) return uriPart(url, param, target)
  throw invalid(param, 'must be a data: URL or an http(s) address.')
}

/** The vendor reads addresses of its own Files API only. */
export function needsBytes(url: string): boolean {
  return isHttpUrl(url) && !url.startsWith(FILES)
}

function uriPart(fileUri: string, param: string, target: Target): Part {
  if (fileUri.startsWith(FILES)) return { fileData: { fileUri } }
  throw unsupported(
    param,
    target,
    'fetches no addresses; send the bytes as a data: URL, or have the operator allow the host (imageFetch).',
  )
}

function filePart({ file }: FilePart, param: string, target: Target): Part {
  const source = fileSource(file, param)
  if (source.kind === 'inline') return { inlineData: source.inline }
  if (source.kind === 'url') return uriPart(source.url, `${param}.file_data`, target)
  if (isHttpUrl(source.id)) return uriPart(source.id, `${param}.file_id`, target)
  return { fileData: { fileUri: `${FILES}v1beta/${source.id.startsWith('files/') ? '' : 'files/'}${source.id}` } }
}
