import { eventLines, type LineFields, type Logger } from '@llm-ferry/kit'
import type { Context, Middleware } from '../context.ts'
import type { Telemetry } from '../telemetry.ts'

/** One line and one set of measurements a request, when its answer has gone or its caller has. */
export function accessLog(telemetry: Telemetry, log: Logger): Middleware {
  const write = eventLines(log, 'request')
  return function accessLog(context, next) {
    context.res.once('close', () => record(context, telemetry, write))
    return next()
  }
}

function record(context: Context, telemetry: Telemetry, write: (fields: LineFields) => void): void {
  const { facts, arrivedAt, requestId } = context.state
  const seconds = (performance.now() - arrivedAt) / 1000
  if (!context.res.writableFinished && !facts.upgraded && facts.error === undefined) facts.error = 'client_closed'
  // The route as the router knows it: a path may hold what a caller put into it.
  const route: unknown = context._matchedRoute
  if (typeof route === 'string') facts.route = route
  telemetry.answered(facts, { method: context.method, status: context.res.statusCode, seconds })
  const { method, res } = context
  write({ requestId, method, status: res.statusCode, seconds: Number(seconds.toFixed(4)), ...facts })
}
