import { type EmbeddingsResponse, FerryError } from '@llm-ferry/sdk'
import { parseAnswer } from '../shared/json.ts'
import type { EmbeddingsAdapter } from '../vendor.ts'
import { HEADERS } from './request.ts'

export const embeddings: EmbeddingsAdapter = {
  request(request, target) {
    const body = { ...request, model: target.model }
    return { method: 'POST', path: 'v1/embeddings', headers: HEADERS, body, dropped: [] }
  },
  response(body, _request, target) {
    const answer = parseAnswer(body, target)
    if (Array.isArray(answer.data)) return answer as unknown as EmbeddingsResponse
    throw new FerryError('upstream_invalid', 'The vendor’s answer has no embeddings.', { vendor: target.vendor })
  },
}
