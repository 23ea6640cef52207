import type { Middleware } from '../context.ts'

/** Ends each connection with its answer while the process is about to stop, so that callers turn to another one. */
export function closeWhileDraining(draining: () => boolean): Middleware {
  return function closeWhileDraining(context, next) {
    if (draining()) context.set('connection', 'close')
    return next()
  }
}
