import { createHash } from 'node:crypto'
import { json } from 'node:stream/consumers'
import type { Mountable } from '@copilotkit/aimock'

interface Batch {
  readonly requests?: readonly { readonly content?: unknown; readonly outputDimensionality?: number }[]
}

const DIMENSIONS = 768

/** Gemini's embeddings of several texts at once, which the sandbox's server does not know. */
export const geminiBatches: Mountable = {
  async handleRequest(request, response, path) {
    if (!path.endsWith(':batchEmbedContents')) return false
    const { requests = [] } = (await json(request)) as Batch
    const embeddings = requests.map(({ content, outputDimensionality = DIMENSIONS }) => ({
      values: vectorOf(JSON.stringify(content), outputDimensionality),
    }))
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ embeddings }))
    return true
  },
}

/** A vector of length 1, the same for the same text. */
function vectorOf(text: string, dimensions: number): readonly number[] {
  const bytes = createHash('shake256', { outputLength: dimensions }).update(text).digest()
  const values = [...bytes].map((byte) => byte - 127.5)
  const length = Math.hypot(...values)
  return values.map((value) => value / length)
}
