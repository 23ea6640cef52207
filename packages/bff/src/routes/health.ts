import type { Middleware } from '../context.ts'

/** `GET /health`: the process is alive. */
export function health(): Middleware {
  return async function health(context) {
    context.body = { status: 'ok', timestamp: new Date().toISOString() }
  }
}

/** `GET /ready`: new calls are taken; 503 while draining. */
export function ready(draining: () => boolean): Middleware {
  return async function ready(context) {
    context.status = draining() ? 503 : 200
    context.body = { status: draining() ? 'draining' : 'ok' }
  }
}
