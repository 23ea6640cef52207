import type { VendorAdapter } from '../vendor.ts'
import { claims, models } from './catalog.ts'
import { needsBytes } from './content.ts'
import { embeddings } from './embeddings.ts'
import { mapError } from './error.ts'
import { native } from './native.ts'
import { mapRequest } from './request.ts'
import { mapResponse } from './response.ts'
import { GeminiStream } from './stream.ts'

/** Google's Gemini API. */
export const gemini: VendorAdapter = {
  needsBytes,
  request: mapRequest,
  response: mapResponse,
  stream: (request, target) => new GeminiStream(request, target),
  error: mapError,
  models,
  claims,
  embeddings,
  native,
}
