import type { ChatChunk } from '@llm-ferry/sdk'

const TEXT = Symbol('wire text')

interface Kept {
  [TEXT]?: { readonly chunk: ChatChunk; readonly data: string }
}

/** Notes the text that a chunk was parsed from, for as long as it is passed on unchanged. */
export function keepWireText(chunk: ChatChunk, data: string): void {
  // Data of several lines would need a field name before each.
  if (!data.includes('\n')) (chunk as Kept)[TEXT] = { chunk, data }
}

/** A chunk as JSON: the vendor's own text where the chunk is just that, since most are. */
export function wireText(chunk: ChatChunk): string {
  const kept = (chunk as Kept)[TEXT]
  // A copy with other fields has the symbol too.
  return kept?.chunk === chunk ? kept.data : JSON.stringify(chunk)
}
