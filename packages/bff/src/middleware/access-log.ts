import { finished } from 'node:stream'
import type { Context, Middleware } from '../context.ts'
import type { Telemetry } from '../telemetry.ts'

/** One line and one set of measurements a request, when its answer has gone or its caller has. */
export function accessLog(telemetry: Telemetry): Middleware {
  return async function accessLog(context, next) {
    finished(context.res, (error) => record(context, telemetry, error != null))
    await next()
  }
}

function record(context: Context, telemetry: Telemetry, broken: boolean): void {
  const { facts, arrivedAt, log } = context.state
  const seconds = (performance.now() - arrivedAt) / 1000
  if (broken && facts.error === undefined) facts.error = 'client_closed'
  // The route as the router knows it: a path may hold what a caller put into it.
  const route: unknown = context._matchedRoute
  if (typeof route === 'string') facts.route = route
  telemetry.answered(facts, { method: context.method, status: context.res.statusCode, seconds })
  log.info(
    { method: context.method, status: context.res.statusCode, seconds: Number(seconds.toFixed(4)), ...facts },
    'request',
  )
}
