import type { Annotation } from '@llm-ferry/sdk'
import { count, type Json, list, record, text } from '../shared/json.ts'

/** Citations and grounding of a candidate. The vendor counts bytes, we count characters as JavaScript does. */
export function annotations(candidate: Json, content: string): Annotation[] {
  const place = placer(content)
  return [...cited(candidate, place), ...grounded(candidate, place)]
}

type Placer = (byte: number) => number

function placer(content: string): Placer {
  const bytes = Buffer.from(content, 'utf8')
  return (byte) => bytes.subarray(0, byte).toString('utf8').length
}

function cited(candidate: Json, place: Placer): Annotation[] {
  const metadata = record(candidate.citationMetadata)
  return list(metadata?.citations ?? metadata?.citationSources).flatMap((each) => {
    const citation = record(each)
    return citation ? [annotation(citation.uri, citation.title, citation, place)] : []
  })
}

function grounded(candidate: Json, place: Placer): Annotation[] {
  const metadata = record(candidate.groundingMetadata)
  const chunks = list(metadata?.groundingChunks)
  return list(metadata?.groundingSupports).flatMap((each) => {
    const support = record(each)
    const segment = record(support?.segment) ?? {}
    return list(support?.groundingChunkIndices).flatMap((index) => {
      const web = record(record(chunks[Number(index)])?.web)
      return web ? [annotation(web.uri, web.title, segment, place)] : []
    })
  })
}

function annotation(uri: unknown, title: unknown, segment: Json, place: Placer): Annotation {
  const start_index = place(count(segment.startIndex) ?? 0)
  const end_index = place(count(segment.endIndex) ?? 0)
  const url_citation = { url: text(uri) ?? '', title: text(title) ?? '', start_index, end_index }
  return { type: 'url_citation', url_citation }
}
