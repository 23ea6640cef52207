import type { Dialect, WireError } from './dialect.ts'

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  408: 'timeout_error',
  409: 'conflict_error',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

const typeOf = (status: number): string => TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error')

const fields = ({ status, code, message }: WireError) => ({
  type: typeOf(status),
  message,
  details: { error_code: code },
})

/** Anthropic's Messages API. */
export const anthropic: Dialect = {
  name: 'anthropic',
  defaultVersion: 'v1',
  // The field still sends x-api-key everywhere; the vendor takes both.
  key: { header: 'x-api-key', prefix: '' },
  credentialPlaces: ['authorization', 'x-api-key'],
  webSocketPlaces: ['authorization', 'x-api-key', 'query'],
  requestIdHeader: 'request-id',
  errorBody: (error) => JSON.stringify({ type: 'error', error: fields(error), request_id: error.requestId }),
  errorEvent: (error) =>
    `event: error\ndata: ${JSON.stringify({ type: 'error', error: fields(error), request_id: error.requestId })}\n\n`,
  stateless: /^(messages|messages\/count_tokens|complete|models|models\/[^/]+)$/,
  keyFaultStatuses: [403],
  keyFault: /api[ _-]?key|credential|organization has been disabled/i,
  urlHeaders: ['location', 'content-location'],
  // The SDK fetches results_url as it stands, with the caller's credential.
  urlField: { operation: /^messages\/batches(\/[^/]+(\/cancel)?)?$/, name: 'results_url' },
  genAi: {
    provider: 'anthropic',
    operations: [
      [/^messages$/, 'chat'],
      [/^complete$/, 'text_completion'],
    ],
  },
}
