import type { Exchange } from './exchange.ts'

/** Answers /health and /ready; false for any other route. */
export function serveProbe({ request, response, id }: Exchange, isDraining: boolean): boolean {
  const { url = '', method } = request
  if (!/^\/(health|ready)(\?|$)/.test(url) || (method !== 'GET' && method !== 'HEAD')) return false
  const isReady = url.startsWith('/health') || !isDraining
  const status = isReady ? 'ok' : 'draining'
  const body = JSON.stringify({ status, timestamp: new Date().toISOString() })
  response.writeHead(isReady ? 200 : 503, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-ferry-request-id': id,
  })
  response.end(body)
  return true
}
