import type { VendorAdapter } from '../vendor.ts'
import { claims, models } from './catalog.ts'
import { embeddings } from './embeddings.ts'
import { mapError } from './error.ts'
import { native } from './native.ts'
import { mapRequest } from './request.ts'
import { mapResponse } from './response.ts'
import { OpenAiStream } from './stream.ts'

/** OpenAI's Chat Completions, and every vendor that speaks it. Close to identity. */
export const openai: VendorAdapter = {
  request: mapRequest,
  response: mapResponse,
  stream: (request, target) => new OpenAiStream(request, target),
  error: mapError,
  models,
  claims,
  embeddings,
  native,
}
