import type { Dialect, WireError } from './dialect.ts'

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

const fields = ({ status, code, message }: WireError) => ({ message, type: typeOf(status), param: null, code })

/** OpenAI, and the many vendors that speak its dialect. */
export const openai: Dialect = {
  name: 'openai',
  defaultVersion: 'v1',
  key: { header: 'authorization', prefix: 'Bearer ' },
  // api-key is where the Azure client of the same SDK puts its key.
  credentialPlaces: ['authorization', 'api-key'],
  webSocketPlaces: ['authorization', 'api-key', 'subprotocol', 'query'],
  requestIdHeader: 'x-request-id',
  errorBody: (error) => JSON.stringify({ error: fields(error) }),
  errorEvent(error, { operation, sequence = 0 }) {
    if (!/^responses(\/|$)/.test(operation)) return `data: ${JSON.stringify({ error: fields(error) })}\n\n`
    const { code, message } = error
    const event = { type: 'error', code, message, param: null, sequence_number: sequence }
    return `event: error\ndata: ${JSON.stringify(event)}\n\n`
  },
  stateless:
    /^(?:openai\/deployments\/[^/]+\/)?(chat\/completions|completions|embeddings|moderations|models|audio\/\w+|images\/\w+)$/,
  // Some vendors of this dialect refuse a key with 400.
  keyFaultStatuses: [400, 403],
  keyFault:
    /(incorrect|invalid|expired|revoked|disabled)[ _]api[ _-]?key|api[ _-]?key[^.]{0,40}(not valid|invalid|expired|revoked|disabled|not have)|missing scopes|insufficient permissions for this operation|account_deactivated|invalid_organization/i,
  // operation-location: Azure's long-running operations.
  urlHeaders: ['location', 'content-location', 'operation-location'],
  genAi: {
    provider: 'openai',
    operations: [
      [/(^|\/)(chat\/completions|responses)$/, 'chat'],
      [/(^|\/)completions$/, 'text_completion'],
      [/(^|\/)embeddings$/, 'embeddings'],
    ],
    // Azure's paths name the deployment.
    model: /^deployments\/([^/]+)\//,
  },
}
