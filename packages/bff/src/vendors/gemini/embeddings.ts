import { type EmbeddingsRequest, type EmbeddingsResponse, FerryError } from '@llm-ferry/sdk'
import { count, type Json, list, parseAnswer, record } from '../shared/json.ts'
import { unsupported } from '../shared/refuse.ts'
import type { EmbeddingsAdapter, Target } from '../vendor.ts'
import { HEADERS, modelPath } from './request.ts'

export const embeddings: EmbeddingsAdapter = {
  request(request, target) {
    const model = modelPath(target)
    const requests = texts(request, target).map((text) => ({
      model,
      content: { parts: [{ text }] },
      ...(request.dimensions !== undefined && { outputDimensionality: request.dimensions }),
    }))
    const path = `v1beta/${model}:batchEmbedContents`
    const known = new Set(['model', 'input', 'encoding_format', 'dimensions'])
    const dropped = Object.keys(request).filter((field) => !known.has(field) && request[field] !== undefined)
    return { method: 'POST', path, headers: HEADERS, body: { requests }, dropped }
  },
  response(body, request, target) {
    const answer = parseAnswer(body, target)
    if (!Array.isArray(answer.embeddings)) {
      throw new FerryError('upstream_invalid', 'The vendor’s answer has no embeddings.', { vendor: target.vendor })
    }
    const data = answer.embeddings.map((each, index) => ({
      object: 'embedding' as const,
      index,
      embedding: encode(list(record(each)?.values).map(Number), request.encoding_format),
    }))
    return { object: 'list', model: target.model, data, ...usage(answer) }
  },
}

function texts({ input }: EmbeddingsRequest, target: Target): readonly string[] {
  if (typeof input === 'string') return [input]
  return input.map((each) => {
    if (typeof each === 'string') return each
    throw unsupported('input', target, 'takes text, not token ids.')
  })
}

/** OpenAI's base64 is of little-endian 32-bit floats; its own client asks for it without being told. */
function encode(values: number[], format: EmbeddingsRequest['encoding_format']): number[] | string {
  if (format !== 'base64') return values
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => {
    bytes.writeFloatLE(value, index * 4)
  })
  return bytes.toString('base64')
}

function usage(answer: Json): Pick<EmbeddingsResponse, 'usage'> {
  const tokens = count(record(answer.usageMetadata)?.promptTokenCount)
  return tokens === undefined ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } }
}
