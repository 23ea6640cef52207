import { type FerryError, HEADERS } from '@llm-ferry/sdk'
import type { Context, Middleware } from '../context.ts'
import { errorBody } from '../error-body.ts'
import { holdBody } from '../middleware/body.ts'
import { errors } from '../middleware/errors.ts'
import { leaving } from '../routes/admission.ts'
import type { Calls } from './calls.ts'
import { checkIdempotencyKey, identify } from './identity.ts'
import type { KeyedCall } from './keyed-call.ts'
import type { Result } from './results.ts'

/** Gives a route calls that outlive a lost connection, and repeats that are no second call. */
export interface Idempotency {
  /**
   * @param route names the route: the same key on another one is another call.
   * @param handler makes the call; it must not touch the caller's own connection but through its context.
   * @param bodyOf words errors as the route does.
   */
  on(route: string, handler: Middleware, bodyOf?: (error: FerryError, context: Context) => object): Middleware
  /** All routes so far. */
  readonly routes: readonly string[]
}

export function createIdempotency(calls: Calls, maxBodyBytes: number): Idempotency {
  const routes: string[] = []
  return {
    routes,
    on(route, handler, bodyOf = errorBody) {
      if (!routes.includes(route)) routes.push(route)
      const make = errors(bodyOf)
      async function keyed(context: Context, next: () => Promise<void>, key: string): Promise<void> {
        const body = await holdBody(context, maxBodyBytes)
        const { caller, requestId } = context.state
        const asked = { url: context.req.url ?? '', body, contentType: context.get('content-type') }
        const identity = identify(caller, route, key, asked)
        const left = leaving(context)
        const entered = await calls.enter({ request: context.req, requestId, caller, identity, left })
        if (entered.kind === 'stored') return serveStored(context, entered.result)
        const { call } = entered
        if (entered.kind === 'start') void run(calls, call, context, (inner) => make(inner, () => handler(inner, next)))
        await attach(calls, call, context, entered.kind === 'start')
      }
      return function idempotent(context, next) {
        const key = checkIdempotencyKey(context.req.headers['idempotency-key']?.toString())
        return key === undefined || context.method !== 'POST' ? handler(context, next) : keyed(context, next, key)
      }
    },
  }
}

function serveStored(context: Context, { head, body, target }: Result): void {
  const { facts } = context.state
  if (target) Object.assign(facts, { vendor: target.vendor, model: target.model })
  context.status = head.status
  context.body = body
  context.set(head.headers as Record<string, string | string[]>)
  context.set(HEADERS.idempotency, 'stored')
}

async function attach(calls: Calls, call: KeyedCall, context: Context, isFirst: boolean): Promise<void> {
  const { state, res } = context
  // Its line in the log tells of the call; those of repeats only that they got its answer.
  if (isFirst) state.facts = Object.assign(call.facts, state.facts)
  const how = isFirst ? (call.isTakeover ? 'taken-over' : 'new') : 'attached'
  context.set(HEADERS.idempotency, call.isShared ? how : `${how}, this process only`)
  const reading = call.recording.read(res)
  context.respond = false
  calls.joined(call)
  await reading
  if (!isFirst) {
    const { vendor, model, stream } = call.facts
    Object.assign(state.facts, { vendor, model, stream })
  } else if (call.facts.error === 'client_closed' && !call.isCancelled) {
    // That was this caller alone: the call goes on.
    delete call.facts.error
  }
}

/** Makes the call in a context of its own: its response is the recording, and its callers may come and go. */
async function run(
  calls: Calls,
  call: KeyedCall,
  outer: Context,
  handle: (context: Context) => Promise<void>,
): Promise<void> {
  const { state, params, req, app } = outer
  const inner = (app as unknown as ContextFactory).createContext(req, call.response)
  call.response.statusCode = 404
  const { callId } = call.handover
  const log = state.log.child({ callId })
  inner.params = params
  inner.state = { ...state, facts: call.facts, requestId: callId, log, call }
  inner.set({ [HEADERS.requestId]: callId, 'x-request-id': callId })
  try {
    await handle(inner)
    respond(inner)
  } catch (error) {
    log.error({ err: error }, 'idempotent_call_failed')
    call.response.destroy()
  } finally {
    await calls.finish(call).catch((error: unknown) => log.error({ err: error }, 'idempotent_finish_failed'))
  }
}

interface ContextFactory {
  createContext(req: Context['req'], res: Context['res']): Context
}

/** What Koa does with a context's body at the end. */
function respond(context: Context): void {
  if (context.respond === false) return
  const { body, res } = context
  if (body === null || body === undefined) res.end()
  else if (typeof body === 'string' || Buffer.isBuffer(body)) res.end(body)
  else {
    const text = JSON.stringify(body)
    context.length = Buffer.byteLength(text)
    res.end(text)
  }
}
