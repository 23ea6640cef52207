import { Call } from './call.ts'
import { FerryError } from './errors.ts'
import type { CallMeta } from './meta.ts'
import type { CallOptions, Settings } from './options.ts'
import type { Embedding, EmbeddingsResponse } from './schema/embeddings.ts'

/** What to embed. */
export interface EmbeddingsParams {
  /** `vendor/model` such as `openai/text-embedding-3-small`, a model's bare name, or an alias. */
  readonly model: string
  /** A text, a list of texts, or token ids (OpenAI only). */
  readonly input: string | readonly string[] | readonly number[] | readonly (readonly number[])[]
  /** Length of the vectors. Default: the model's. */
  readonly dimensions?: number | undefined
  /** How vectors travel: `float` (default), or `base64`, which is shorter. {@link EmbeddingsResult.vectors} reads both. */
  readonly encoding_format?: 'float' | 'base64' | undefined
}

/** OpenAI's embeddings answer. As JSON it is that alone. */
export class EmbeddingsResult implements EmbeddingsResponse {
  declare readonly object: 'list'
  declare readonly model: string
  declare readonly data: Embedding[]
  declare readonly usage?: NonNullable<EmbeddingsResponse['usage']>
  readonly #meta: CallMeta

  constructor(response: EmbeddingsResponse, meta: CallMeta) {
    Object.assign(this, response)
    this.#meta = meta
    if (!Array.isArray(response.data)) {
      const { requestId } = meta
      throw new FerryError('upstream_invalid', 'The answer holds no embeddings; is `baseURL` right?', { requestId })
    }
  }

  /** The vectors, one an input and in its order. */
  get vectors(): number[][] {
    const ordered = [...this.data].sort((a, b) => a.index - b.index)
    return ordered.map(({ embedding }) => (typeof embedding === 'string' ? decode(embedding) : embedding))
  }

  /** What the server tells beside the answer. */
  get meta(): CallMeta {
    return this.#meta
  }
}

export async function embed(
  settings: Settings,
  params: EmbeddingsParams,
  options: CallOptions = {},
): Promise<EmbeddingsResult> {
  const body = { ...params, ...options.extraBody }
  const { value, meta } = await new Call(settings, { method: 'POST', path: '/v1/embeddings', body }, options).json()
  return new EmbeddingsResult(value as EmbeddingsResponse, meta)
}

// Little-endian 32-bit floats, whatever the machine's own order is.
function decode(base64: string): number[] {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
  const view = new DataView(bytes.buffer)
  return Array.from({ length: bytes.length >> 2 }, (_, i) => view.getFloat32(i * 4, true))
}
