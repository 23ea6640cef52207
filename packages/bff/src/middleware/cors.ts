import koaCors from '@koa/cors'
import { HEADERS } from '@llm-ferry/sdk'
import type { Middleware } from '../context.ts'

/** How long a browser remembers a preflight, in seconds. Chromium takes no more. */
const REMEMBERED_SECONDS = 7200

const RATE_LIMITS = ['requests', 'tokens'].flatMap((unit) =>
  ['limit', 'remaining', 'reset'].map((word) => `x-ratelimit-${word}-${unit}`),
)
/** What a page may read of an answer besides what every page may. */
const READABLE = ['x-request-id', 'retry-after', 'x-should-retry', ...RATE_LIMITS, ...Object.values(HEADERS)]

/** Lets pages of these origins call, and no others: those get no CORS header at all. */
export function cors(origins: readonly URL[]): Middleware {
  // Without pages that may call nothing of an answer depends on its Origin.
  if (origins.length === 0) return (_context, next) => next()
  const allowed = new Set(origins.map(({ origin }) => origin))
  const answer = koaCors({
    origin: (context) => {
      const origin = context.get('origin')
      return allowed.has(origin) ? origin : ''
    },
    exposeHeaders: READABLE,
    maxAge: REMEMBERED_SECONDS,
  })
  return async function cors(context, next) {
    await answer(context, next)
  }
}
