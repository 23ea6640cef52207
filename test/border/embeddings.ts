import { chunk, delay, head, lastChunk, type Script } from '../testkit/scripted-vendor.ts'

/** A vendor's answer to a request for vectors. */
export const embeddingsAnswer: Script = () => [
  delay(100),
  head(200, [
    ['content-type', 'application/json'],
    ['transfer-encoding', 'chunked'],
  ]),
  chunk(
    JSON.stringify({
      object: 'list',
      model: 'text-embedding-3-small',
      data: [{ object: 'embedding', index: 0, embedding: [0.5, -0.25] }],
      usage: { prompt_tokens: 1, total_tokens: 1 },
    }),
  ),
  lastChunk(),
]
