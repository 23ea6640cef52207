import { FerryError } from '@llm-ferry/sdk'
import type { Middleware } from '../context.ts'
import type { Calls } from '../idempotency/calls.ts'
import { callName, checkIdempotencyKey } from '../idempotency/identity.ts'

/**
 * `DELETE /v1/calls/{key}`: the caller leaves a call that he named with an Idempotency-Key; on whichever route it is, the
 * vendor's work ends. One that has yet to come is not begun.
 *
 * @param routes of the calls that may be meant.
 */
export function leaveCall(calls: Calls, routes: readonly string[]): Middleware {
  return async function leaveCall(context) {
    const { caller } = context.state
    const key = checkIdempotencyKey((context.params as { key?: string }).key) ?? ''
    const names = routes.map((route) => callName(caller, route, key))
    if (!(await calls.cancel(caller, names))) {
      throw new FerryError('not_found', 'There is no call with this Idempotency-Key; now it cannot begin')
    }
    context.status = 204
  }
}
