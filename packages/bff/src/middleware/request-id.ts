import { randomUUID } from 'node:crypto'
import type { Logger } from '@llm-ferry/kit'
import { HEADERS } from '@llm-ferry/sdk'
import type { Middleware } from '../context.ts'

/** Gives each request an id, in its answer and in every line that is logged for it. */
export function requestId(log: Logger): Middleware {
  return async function requestId(context, next) {
    const id = `req_${randomUUID().replaceAll('-', '')}`
    context.state.requestId = id
    context.state.arrivedAt = performance.now()
    context.state.facts = {}
    context.state.log = log.child({ requestId: id })
    context.set(HEADERS.requestId, id)
    context.set('x-request-id', id)
    await next()
  }
}
