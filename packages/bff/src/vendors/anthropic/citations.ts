import type { Annotation } from '@llm-ferry/sdk'
import { count, list, record, text } from '../shared/json.ts'

/** Citations of a block of text, which stands at `start` to `end` of the whole text. */
export function annotations(citations: unknown, start: number, end: number): Annotation[] {
  return list(citations).flatMap((each) => {
    const citation = record(each)
    if (!citation) return []
    const document = count(citation.document_index) ?? count(citation.search_result_index)
    const url = text(citation.url) ?? text(citation.source) ?? `document:${document ?? 0}`
    const title = text(citation.title) ?? text(citation.document_title) ?? ''
    const cited = text(citation.cited_text)
    const place = { url, title, start_index: start, end_index: end }
    return [
      { type: 'url_citation' as const, url_citation: cited === undefined ? place : { ...place, cited_text: cited } },
    ]
  })
}
