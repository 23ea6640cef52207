import { setHeaders } from '../answer.ts'
import type { Middleware } from '../context.ts'

/** What a browser is told with every answer: an API has nothing to frame, run or guess. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
}

/** Sets the security headers on every answer, errors included. */
export function securityHeaders(): Middleware {
  return function securityHeaders(context, next) {
    setHeaders(context, HEADERS)
    return next()
  }
}
