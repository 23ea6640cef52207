import type { VendorAdapter } from '../vendor.ts'
import { claims, models } from './catalog.ts'
import { mapError } from './error.ts'
import { native } from './native.ts'
import { mapRequest } from './request.ts'
import { mapResponse } from './response.ts'
import { AnthropicStream } from './stream.ts'

/** Anthropic's Messages API. */
export const anthropic: VendorAdapter = {
  request: mapRequest,
  response: mapResponse,
  stream: (_request, target) => new AnthropicStream(target),
  error: mapError,
  models,
  claims,
  native,
}
