import type { Dialect, WireError } from './dialect.ts'

// google.rpc.Code by HTTP status.
const STATUSES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  410: 'FAILED_PRECONDITION',
  413: 'INVALID_ARGUMENT',
  416: 'OUT_OF_RANGE',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

const statusOf = (status: number): string => STATUSES[status] ?? (status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT')

function fields({ status, code, message, requestId }: WireError) {
  const info = {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason: code.toUpperCase(),
    domain: 'llm-ferry',
    metadata: { request_id: requestId },
  }
  return { code: status, message, status: statusOf(status), details: [info] }
}

/** Google's Gemini API. */
export const gemini: Dialect = {
  name: 'gemini',
  defaultVersion: 'v1beta',
  key: { header: 'x-goog-api-key', prefix: '' },
  credentialPlaces: ['x-goog-api-key', 'query', 'authorization'],
  webSocketPlaces: ['query', 'x-goog-api-key', 'authorization'],
  requestIdHeader: 'x-request-id',
  errorBody: (error) => JSON.stringify({ error: fields(error) }),
  errorEvent: (error) => `data: ${JSON.stringify({ error: fields(error) })}\n\n`,
  stateless:
    // On Vertex, models stand below a project.
    /^((projects|publishers)\/[\w/.@-]+\/)?models(\/[^/:]+)?(:(generateContent|streamGenerateContent|countTokens|(batchE|e)mbedContents?|predict))?$/,
  // A wrong key is a 400 here: https://ai.google.dev/gemini-api/docs/troubleshooting
  keyFaultStatuses: [400, 403],
  keyFault:
    /API_KEY_\w|API key (not valid|expired|not found)|reported as leaked|CONSUMER_(SUSPENDED|INVALID)|SERVICE_DISABLED/i,
  urlHeaders: ['x-goog-upload-url', 'x-goog-upload-control-url', 'location', 'content-location'],
  genAi: {
    provider: 'gcp.gemini',
    operations: [
      [/:(generateContent|streamGenerateContent)$/, 'generate_content'],
      [/:(batchEmbedContents|embedContent)$/, 'embeddings'],
    ],
    model: /(?:^|\/)models\/([^/:]+):/,
  },
}
