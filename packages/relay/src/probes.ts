import { type CredentialPlace, findCredential, HEALTH_BUILD } from '@llm-ferry/kit'
import type { Exchange } from './exchange.ts'
import type { Tokens } from './tokens.ts'

const PLACES: readonly CredentialPlace[] = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key']

/** Answers /health and /ready; false for any other route. Who shows a token is told the version as well. */
export function serveProbe({ request, response, id }: Exchange, isDraining: boolean, tokens: Tokens): boolean {
  const { url = '', method } = request
  if (!/^\/(health|ready)(\?|$)/.test(url) || (method !== 'GET' && method !== 'HEAD')) return false
  const isReady = url.startsWith('/health') || !isDraining
  const status = isReady ? 'ok' : 'draining'
  const credential = findCredential(request.rawHeaders, '', PLACES)
  const isKnown = credential.kind !== 'fault' && tokens.find(credential.value) !== undefined
  const body = JSON.stringify({ status, timestamp: new Date().toISOString(), ...(isKnown && HEALTH_BUILD) })
  response.writeHead(isReady ? 200 : 503, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-ferry-request-id': id,
  })
  response.end(body)
  return true
}
